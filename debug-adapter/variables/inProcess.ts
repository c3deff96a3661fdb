// Functions that run in the debugged process: they go there as text, may use nothing from here, and must call no code of
// the program (getters, traps of proxies, patched prototypes of its objects).

/** A part of a list, holes left out, as an object of its own. */
export const slice = `function (start, count) {
  const part = Object.create(null);
  const end = Math.min(start + count, this.length);
  for (let index = start; index < end; index += 1) {
    const found = Object.getOwnPropertyDescriptor(this, index);
    if (found !== undefined) Object.defineProperty(part, index, { ...found, configurable: true });
  }
  return part;
}`;

/** What a list has besides its elements. Views of buffers can have millions of keys, and nobody gives them others. */
export const namedOnly = `function () {
  const part = Object.create(Object.getPrototypeOf(this));
  if (ArrayBuffer.isView(this)) return part;
  for (const key of Reflect.ownKeys(this)) {
    if (typeof key === 'string' && /^(0|[1-9]\\d*)$/.test(key)) continue;
    const found = Object.getOwnPropertyDescriptor(this, key);
    if (found !== undefined) Object.defineProperty(part, key, { ...found, configurable: true });
  }
  return part;
}`;

/** Calls a getter on the object that it was found on. */
export const callGetter = `function (getter) { return Reflect.apply(getter, this, []); }`;

/** Assigns as strict code does: what does not let itself be changed throws. */
export const assign = `function (key, value) { 'use strict'; this[key] = value; return this[key]; }`;

/** Gives the nth entry of a map another value; a set another member in place of its nth. */
export const assignEntry = `function (index, value) {
  if (this instanceof Map) {
    const key = [...Map.prototype.keys.call(this)][index];
    Map.prototype.set.call(this, key, value);
    return value;
  }
  const members = [...Set.prototype.values.call(this)];
  members[index] = value;
  Set.prototype.clear.call(this);
  for (const each of members) Set.prototype.add.call(this, each);
  return value;
}`;

/** A text for the clipboard: texts as they are, everything else like JSON, cut where it is very long. */
export const toText = `function (limit) {
  if (typeof this === 'string' || this instanceof String) return String(this).slice(0, limit);
  const seen = new Set();
  const replace = (key, value) => {
    if (typeof value === 'bigint') return value + 'n';
    if (typeof value === 'function') return '[function ' + value.name + ']';
    if (typeof value === 'symbol') return value.toString();
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return '[seen above]';
    seen.add(value);
    if (value instanceof Map) return Object.fromEntries([...value].map(([k, v]) => [typeof k === 'object' ? JSON.stringify(k) : String(k), v]));
    if (value instanceof Set) return [...value];
    if (value instanceof Error) return value.stack;
    return value;
  };
  const text = JSON.stringify(this, replace, 2);
  return (text === undefined ? String(this) : text).slice(0, limit);
}`;

/** Bytes of a buffer or a view of one, in base64; null beyond its end. */
export const readBytes = `function (offset, count) {
  const whole = ArrayBuffer.isView(this)
    ? new Uint8Array(this.buffer, this.byteOffset, this.byteLength)
    : new Uint8Array(this instanceof ArrayBuffer || typeof this.byteLength === 'number' ? this : this.buffer);
  const start = Math.max(0, Math.min(offset, whole.length));
  const part = whole.subarray(start, Math.min(start + count, whole.length));
  let text = '';
  for (let at = 0; at < part.length; at += 8192) text += String.fromCharCode(...part.subarray(at, at + 8192));
  return { data: btoa(text), start, size: whole.length };
}`;

export const writeBytes = `function (offset, data, partial) {
  const whole = ArrayBuffer.isView(this)
    ? new Uint8Array(this.buffer, this.byteOffset, this.byteLength)
    : new Uint8Array(this instanceof ArrayBuffer || typeof this.byteLength === 'number' ? this : this.buffer);
  const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  if (offset < 0 || offset > whole.length) return -1;
  if (!partial && offset + bytes.length > whole.length) return -1;
  const part = bytes.subarray(0, whole.length - offset);
  whole.set(part, offset);
  return part.length;
}`;
