import type { IteratorRecord } from '../capsule/format.ts';

/** An iterator at the beginning of what it goes over, as far as that exists already. */
export function iterate(
  { of, yields, spent, text, flags }: IteratorRecord,
  source: unknown,
): object {
  if (of === 'matches') {
    return spent === 1 ? 'a'.matchAll(/b/g) : matches(source as RegExp, text ?? '', flags ?? '');
  }
  if (of === 'string') return (spent === 1 ? '' : (source as string))[Symbol.iterator]();
  const prototypes = { array: Array.prototype, map: Map.prototype, set: Set.prototype };
  const method = Reflect.get(prototypes[of], yields) as () => Iterator<unknown>;
  return Reflect.apply(method, spent === 1 ? empty(of) : source, []) as object;
}

function empty(of: 'array' | 'map' | 'set'): unknown {
  return of === 'array' ? [] : of === 'map' ? new Map() : new Set();
}

/** `matchAll` goes over a copy of the pattern that the pattern's class makes: here that is the copy that is there. */
function matches(pattern: RegExp, text: string, flags: string): object {
  const copy = function (): RegExp {
    return pattern;
  };
  const original = { flags, lastIndex: 0, constructor: { [Symbol.species]: copy } };
  return RegExp.prototype[Symbol.matchAll].call(original as never, text);
}

/** Brings iterators over arrays forward before those have any contents, whose getters would run. */
export function stepEarly(
  { of, spent, position }: IteratorRecord,
  iterator: object,
  source: unknown,
): void {
  const next = (): unknown => (iterator as Iterator<unknown>).next();
  if (spent === 1) next();
  else if (of === 'array' && Array.isArray(source)) {
    const { length } = source;
    source.length = Math.max(position, length);
    skip(iterator, position);
    source.length = length;
  } else if (of === 'string') {
    for (let at = 0; at < position;) {
      const { value } = next() as { value?: string };
      at += value?.length ?? Infinity;
    }
  }
}

/** Brings other iterators forward when what they go over has its contents. */
export function stepLate(
  { of, spent, position }: IteratorRecord,
  iterator: object,
  source: unknown,
): void {
  if (spent === 1) return;
  if (of === 'array' && !Array.isArray(source)) skip(iterator, position);
  if (of === 'map' || of === 'set') {
    skip(iterator, (source as Map<unknown, unknown> | Set<unknown>).size - position);
  }
}

function skip(iterator: object, count: number): void {
  for (let index = 0; index < count; index += 1) (iterator as Iterator<unknown>).next();
}
