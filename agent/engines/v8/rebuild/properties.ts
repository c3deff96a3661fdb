import { keptByV8, type PropertyRecord, type Value } from '../capsule/format.ts';
import { RebuildError, type Objects } from './code.ts';
import { withoutFrames } from './shells.ts';

/** Attributes of a property that was assigned. */
const ordinary = 7;
const assigned = { writable: true, enumerable: true, configurable: true } as const;

/** Gives an object its own properties. @param exact whether it has none besides those */
export function setProperties(
  world: Objects,
  object: object,
  props: readonly PropertyRecord[],
  exact: boolean,
): void {
  // Most objects have none yet, and most properties are ordinary ones.
  const there = exact ? Reflect.ownKeys(object) : [];
  if (there.length > 0) {
    if (areSame(world, object, there, props)) return;
    const kept = new Set<unknown>(props.map(([key]) => world.value(key)));
    for (const key of there) {
      if (kept.has(key)) continue;
      // A view's and a string's elements, and a length, are no properties of their own.
      if (
        Reflect.getOwnPropertyDescriptor(object, key)?.configurable === true &&
        !ArrayBuffer.isView(object)
      )
        Reflect.deleteProperty(object, key);
    }
    order(world, object, props);
  }
  // No setter and no proxy is to notice that a property is made by assigning to it.
  const proto = Object.getPrototypeOf(object) as unknown;
  const isPlain = proto === null || proto === Object.prototype;
  for (const record of props) {
    const key = world.value(record[0]) as string | symbol;
    const flags = record[1];
    if ((flags & keptByV8) !== 0) {
      giveStack(object, flags, world.value(record[2]));
      continue;
    }
    if (isPlain && flags === ordinary && record.length === 3 && !(key in object)) {
      (object as Record<string | symbol, unknown>)[key] = world.value(record[2]);
      continue;
    }
    // V8 keeps some of its own functions' state in another way once a property of theirs is made anew.
    if (there.length > 0 && isSame(world, Reflect.getOwnPropertyDescriptor(object, key), record))
      continue;
    const attributes = { enumerable: (flags & 2) !== 0, configurable: (flags & 4) !== 0 };
    const descriptor =
      record.length === 3
        ? { ...attributes, value: world.value(record[2]), writable: (flags & 1) !== 0 }
        : {
            ...attributes,
            get: world.value(record[2]) as () => unknown,
            set: world.value(record[3]) as () => void,
          };
    if (!Reflect.defineProperty(object, key, descriptor)) {
      throw new RebuildError(`the property ${String(key)} of an object cannot be set`);
    }
  }
}

/** The same for one whose properties all were assigned. @param entries names and values in turns */
export function setEntries(world: Objects, object: object, entries: readonly Value[]): void {
  const isEmpty = Reflect.ownKeys(object).length === 0;
  const proto = Object.getPrototypeOf(object) as unknown;
  if (!isEmpty || !(proto === null || proto === Object.prototype)) {
    const props: PropertyRecord[] = [];
    for (let at = 0; at < entries.length; at += 2)
      props.push([entries[at] ?? '', ordinary, entries[at + 1] ?? null]);
    setProperties(world, object, props, true);
    return;
  }
  for (let at = 0; at < entries.length; at += 2) {
    assign(object, entries[at] as string, world.value(entries[at + 1]));
  }
}

/** Gives an object a property as assigning does; no setter of a prototype runs. */
export function assign(object: object, key: string, value: unknown): void {
  if (key in object) Object.defineProperty(object, key, { ...assigned, value });
  else (object as Record<string, unknown>)[key] = value;
}

/** Whether all properties are there already, in their order, and no others, as with most functions. */
function areSame(
  world: Objects,
  object: object,
  there: readonly (string | symbol)[],
  props: readonly PropertyRecord[],
): boolean {
  let next = 0;
  for (const key of there) {
    const record = props[next];
    if (record !== undefined && world.value(record[0]) === key) {
      if (!isSame(world, Reflect.getOwnPropertyDescriptor(object, key), record)) return false;
      next += 1;
    } else if (typeof object !== 'function' || (key !== 'arguments' && key !== 'caller')) {
      // Those of functions are V8's own, which cannot be taken away.
      return false;
    }
  }
  return next === props.length;
}

/** Lets V8 keep a text as the stack of an object. */
function giveStack(object: object, flags: number, text: unknown): void {
  if (!Object.hasOwn(object, 'stack')) withoutFrames(() => Error.captureStackTrace(object));
  Reflect.set(object, 'stack', text);
  const there = Reflect.getOwnPropertyDescriptor(object, 'stack') ?? {};
  const attributes = { enumerable: (flags & 2) !== 0, configurable: (flags & 4) !== 0 };
  const writable = 'value' in there ? { writable: (flags & 1) !== 0 } : {};
  Object.defineProperty(object, 'stack', { ...attributes, ...writable });
}

/** Whether a property is there already, as it is to be. */
function isSame(
  world: Objects,
  there: PropertyDescriptor | undefined,
  [, flags, value, set]: PropertyRecord,
): boolean {
  return (
    there !== undefined &&
    set === undefined &&
    'value' in there &&
    there.writable === ((flags & 1) !== 0) &&
    there.enumerable === ((flags & 2) !== 0) &&
    there.configurable === ((flags & 4) !== 0) &&
    Object.is(there.value, world.value(value))
  );
}

/** Properties that are there already, in another order than they had, are made again. */
function order(world: Objects, object: object, props: readonly PropertyRecord[]): void {
  if (ArrayBuffer.isView(object)) return;
  const wanted = props.map(([key]) => world.value(key));
  const kept = new Set(wanted);
  // Functions have properties of V8's own that cannot be taken away.
  const there = Reflect.ownKeys(object).filter((key) => kept.has(key));
  if (there.every((key, index) => key === wanted[index])) return;
  for (const key of there) {
    if (Reflect.getOwnPropertyDescriptor(object, key)?.configurable === true)
      Reflect.deleteProperty(object, key);
  }
}
