import type { Natives } from './natives.ts';

/** How many kinds of objects are compared with an object before it is asked. */
const comparedKinds = 8;

/** What a weak reference refers to, undefined when that has gone; null for what is none. */
export function weakTarget(object: object): object | undefined | null {
  const limit = Reflect.getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  const isPlain = limit?.writable === true;
  if (isPlain) Error.stackTraceLimit = 0;
  try {
    return WeakRef.prototype.deref.call(object as WeakRef<object>);
  } catch {
    return null;
  } finally {
    if (isPlain) Error.stackTraceLimit = limit.value as number;
  }
}

/** Tells the weak references among many objects. */
export class WeakTargets {
  readonly #natives: Natives;
  /** Objects that are none: what V8 has the same shape for is none either. */
  readonly #others: object[] = [];

  constructor(natives: Natives) {
    this.#natives = natives;
  }

  /** What a weak reference refers to; undefined for what is none, or refers to nothing any more. */
  of(object: object): object | undefined {
    // Most objects are none, and the error that tells so costs more than all else.
    if (this.#others.some((each) => this.#natives.sameShape(object, each))) return undefined;
    const target = weakTarget(object);
    if (target !== null) return target;
    this.#others.unshift(object);
    this.#others.length = Math.min(this.#others.length, comparedKinds);
    return undefined;
  }
}
