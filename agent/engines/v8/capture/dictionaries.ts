import type { Value } from '../capsule/format.ts';
import type { Graph } from './graph.ts';

/** How many properties an object has at least for it to be written down as names and values alone. */
const leastEntries = 16;

/** Names and values of a large object in which everything was assigned; undefined for others. */
export function entriesOf(graph: Graph, object: object): Value[] | undefined {
  const keys = Reflect.ownKeys(object);
  if (keys.length < leastEntries || !Object.isExtensible(object)) return undefined;
  const entries: Value[] = [];
  for (const key of keys) {
    const descriptor = Reflect.getOwnPropertyDescriptor(object, key);
    const isAssigned =
      typeof key === 'string' &&
      descriptor?.writable === true &&
      descriptor.enumerable === true &&
      descriptor.configurable === true;
    // What holds functions may be what the methods of a class are looked for in.
    if (!isAssigned || typeof descriptor.value === 'function') return undefined;
    entries.push(key, graph.value(descriptor.value, key));
  }
  return entries;
}
