/** How many keys the stand-in of a `for … in` has. */
export const keyCount = 3;

/** Can be called, iterated and taken apart for ever, and is never undefined: nothing asks for a default. */
export const anything: object = new Proxy(function () {}, {
  get: (_, key) => {
    if (key === Symbol.iterator) {
      return () => ({ next: () => ({ value: anything, done: false }), return: () => ({}) });
    }
    return key === Symbol.toPrimitive ? () => 'flick' : anything;
  },
  has: () => false,
  ownKeys: () => ['prototype'],
});

export interface StandIns {
  /** What the text of a resumed function is given. */
  readonly given: object;
  /** Objects that can be told, by what they stand for. */
  readonly sentinels: ReadonlyMap<string, object>;
  /** What it comes to wait for. */
  readonly awaited: Promise<unknown>;
}

/** Takes the place of what an activation holds. */
export function standIns(): StandIns {
  const sentinels = new Map<string, object>();
  const awaited = new Promise<unknown>(() => undefined);
  const sentinel = (key: string, value: object): object => {
    sentinels.set(key, value);
    return value;
  };
  const given = {
    v: new Proxy({}, { get: () => [] }),
    awaited,
    kept: (key: string) => sentinel(key, { toString: () => key }),
    callee: (key: string) => sentinel(key, holder(sentinel(`${key}!`, () => undefined))),
    target: (key: string, operator: string) => {
      const old = { toString: () => key };
      const shortcuts: Record<string, unknown> = { '??=': null, '||=': 0, '&&=': 1 };
      const isShort = operator in shortcuts;
      if (!isShort) sentinel(`${key}!`, old);
      return sentinel(key, holder(isShort ? shortcuts[operator] : old));
    },
    keys: (key: string) =>
      sentinel(
        key,
        Object.fromEntries(Array.from({ length: keyCount }, (_, at) => [`k${String(at)}`, at])),
      ),
    inside: (at: number, current: unknown) => {
      const iterator = sentinel(String(at), { next: () => ({ value: current, done: false }) });
      return { [Symbol.iterator]: () => iterator, [Symbol.asyncIterator]: () => iterator };
    },
    stepping: (at: number) => {
      const iterator = sentinel(String(at), { next: () => awaited });
      return { [Symbol.asyncIterator]: () => iterator };
    },
    delegate: (at: number) => {
      const iterator = (step: unknown) => () => sentinel(String(at), { next: () => step });
      const first = { value: undefined, done: false };
      return { [Symbol.iterator]: iterator(first), [Symbol.asyncIterator]: iterator(awaited) };
    },
  };
  return { given, sentinels, awaited };
}

/** An object whose every property is the same. */
function holder(value: unknown): object {
  return new Proxy({}, { get: () => value });
}
