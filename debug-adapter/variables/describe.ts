import type { Protocol } from '../cdp.ts';

type RemoteObject = Protocol.Runtime.RemoteObject;
type Preview = Protocol.Runtime.ObjectPreview;
type PropertyPreview = Protocol.Runtime.PropertyPreview;

/** Longest text of a value in a list, in UTF-16 code units; the whole of it can be copied. */
const maxText = 1_000;
const maxPreview = 160;

/** A value as one line for people. @param hex numbers in base 16 */
export function describe(object: RemoteObject, hex = false): string {
  const { type, subtype, value, unserializableValue, description = '' } = object;
  switch (type) {
    case 'undefined':
      return 'undefined';
    case 'string':
      return quoted(String(value), (object as { cutLength?: number }).cutLength);
    case 'number':
    case 'bigint':
      return number(unserializableValue ?? String(value), hex);
    case 'boolean':
      return String(value);
    case 'symbol':
      return cut(description);
    case 'function':
      return describeFunction(description);
    default:
      if (subtype === 'null') return 'null';
      return describeObject(object);
  }
}

function describeObject({
  subtype,
  className = '',
  description = '',
  preview,
}: RemoteObject): string {
  switch (subtype) {
    case 'regexp':
    case 'date':
      return cut(description);
    case 'error':
      return cut(description.split('\n    at ')[0] ?? description);
    case 'proxy':
      return cut(description);
    default:
      break;
  }
  if ((subtype as string | undefined) === 'internal#entry' && preview !== undefined) {
    return describeEntry(preview);
  }
  if (preview === undefined) return cut(description === '' ? className : description);
  const text = describePreview(preview);
  return text === '' ? cut(description) : text;
}

/** The short form that comes with an object: `Point {x: 1, y: 2}`, `(3) [1, 2, 3]`, `Map(1) {'a' => 1}`. */
function describePreview(preview: Preview): string {
  const { subtype, description = '', properties, entries, overflow } = preview;
  const isList = subtype === 'array' || subtype === 'typedarray';
  const state = properties.find(({ name }) => name === '[[PromiseState]]');
  const shown =
    entries !== undefined && entries.length > 0
      ? entries.map(entry)
      : properties
          .filter(({ name }) => !(isList && name === 'length'))
          .filter(({ name }) => subtype !== 'typedarray' || /^\d+$/.test(name))
          .map((each) => (isList && /^\d+$/.test(each.name) ? short(each) : named(each)));
  if (state !== undefined) {
    const result = properties.find(({ name }) => name === '[[PromiseResult]]');
    const settled = state.value === 'pending' || result === undefined ? '' : `: ${short(result)}`;
    return `Promise {<${state.value ?? 'pending'}>${settled}}`;
  }
  const [open, close] = isList ? ['[', ']'] : ['{', '}'];
  const title = /^(Array|Object)(\((\d+)\))?$/.exec(description);
  const prefix =
    title === null ? `${description} ` : title[3] === undefined ? '' : `(${title[3]}) `;
  const parts: string[] = [];
  let length = 0;
  for (const each of shown) {
    length += each.length + 2;
    if (length > maxPreview) break;
    parts.push(each);
  }
  const rest = overflow || parts.length < shown.length ? (parts.length > 0 ? ', …' : '…') : '';
  return `${prefix}${open}${parts.join(', ')}${rest}${close}`;
}

/** An entry of a map, `'a' => 1`, or of a set. */
function describeEntry({ properties }: Preview): string {
  const parts = ['key', 'value'].flatMap((wanted) => {
    const found = properties.find(({ name }) => name === wanted);
    return found === undefined ? [] : [short(found)];
  });
  return parts.join(' => ');
}

function entry({ key, value }: Protocol.Runtime.EntryPreview): string {
  const shown = value.description ?? '';
  const text = value.type === 'string' ? quoted(shown) : nested(value);
  if (key === undefined) return text;
  return `${key.type === 'string' ? quoted(key.description ?? '') : nested(key)} => ${text}`;
}

function nested({ type, subtype, description = '' }: Preview): string {
  if (type === 'function') return 'ƒ';
  if (type === 'object' && subtype === undefined)
    return description === 'Object' ? '{…}' : description;
  return description;
}

function named(property: PropertyPreview): string {
  return `${property.name}: ${short(property)}`;
}

function short({ type, subtype, value = '' }: PropertyPreview): string {
  if (type === 'string') return quoted(value);
  if (type === 'function') return 'ƒ';
  if (type === 'accessor') return '(…)';
  if (type === 'object' && subtype === undefined && value === 'Object') return '{…}';
  return value;
}

/** `class Point`, `ƒ add(a, b)`, `async ƒ load()`: the head of the source without its body. */
function describeFunction(source: string): string {
  const text = source.trim();
  if (text.startsWith('class')) {
    return cut((/^class(\s+[\w$]+)?(\s+extends\s+[\w$.]+)?/.exec(text)?.[0] ?? 'class').trim());
  }
  const arrow = /^(async\s+)?(\([^)]*\)|[\w$]+)\s*=>/.exec(text);
  if (arrow !== null) return cut(`${arrow[1] ?? ''}${arrow[2] ?? ''} => …`);
  const head = /^((?:async\s+)?)(?:function\b\s*)?(\*?\s*)([^(]*\([^)]*\))/.exec(text);
  if (head === null) return cut(text.split('\n')[0] ?? text);
  return cut(`${head[1] ?? ''}ƒ${(head[2] ?? '').trim()} ${(head[3] ?? '').trim()}`);
}

function number(text: string, hex: boolean): string {
  if (!hex || !/^-?\d+n?$/.test(text)) return text;
  const value = BigInt(text.replace('n', ''));
  return `${value < 0n ? '-' : ''}0x${(value < 0n ? -value : value).toString(16)}`;
}

/** In single quotes, line breaks and the like written out. */
export function quoted(text: string, fullLength = text.length): string {
  const shown = text.length > maxText ? text.slice(0, maxText) : text;
  const escaped = shown
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
  const rest = fullLength > shown.length ? `… (${fullLength} characters)` : '';
  return `'${escaped}'${rest}`;
}

function cut(text: string): string {
  const line = text.replaceAll('\n', ' ');
  return line.length > maxText ? `${line.slice(0, maxText)}…` : line;
}

/** How many elements a list has, by what the inspector calls it: `Array(3)`, `Uint8Array(16)`. */
export function lengthOf({ subtype, description = '' }: RemoteObject): number | undefined {
  const isList = subtype === 'array' || subtype === 'typedarray';
  const match = isList ? /\((\d+)\)$/.exec(description) : null;
  return match === null ? undefined : Number(match[1]);
}

/** The name of a value's type, as a person would say it. */
export function typeName({ type, subtype, className }: RemoteObject): string {
  if (subtype === 'null') return 'null';
  return type === 'object' || type === 'function' ? (className ?? type) : type;
}
