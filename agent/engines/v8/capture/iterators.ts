import { types } from 'node:util';
import type { IteratorRecord, ObjectRecord } from '../capsule/format.ts';
import type { Graph } from './graph.ts';

const arrayIterator = Object.getPrototypeOf([][Symbol.iterator]()) as object;

/** Where loops stand in arrays: V8 shows no index, the loop's own variable tells it. */
const positions = new WeakMap<
  object,
  { array: unknown; position: number; yields: IteratorRecord['yields'] }
>();

export function iteratorRecord(graph: Graph, object: object): ObjectRecord | undefined {
  if (types.isMapIterator(object) || types.isSetIterator(object))
    return tableIterator(graph, object);
  if (Object.getPrototypeOf(object) !== arrayIterator) return undefined;
  const known = positions.get(object);
  if (known === undefined) {
    throw graph.refuse('an iterator over an array, whose position is not known', { passing: true });
  }
  const { array, position, yields } = known;
  return { k: 'iterator', of: 'array', source: graph.value(array, 'array'), position, yields };
}

/**
 * Notes where a loop over an array stands.
 * @param current what the loop's variable holds
 * @returns whether it could be told
 */
export function placeArrayIterator(graph: Graph, iterator: object, current: unknown): boolean {
  if (Object.getPrototypeOf(iterator) !== arrayIterator) return true;
  const { heap } = graph;
  const node = heap.nodeOf(iterator);
  const array = heap.snapshot
    .edges(node)
    .filter(({ type, name }) => type !== 'property' && name !== 'map')
    .map(({ to }) => (heap.snapshot.type(to) === 'object' ? heap.liveOf(to) : undefined))
    .find((each) => Array.isArray(each) || ArrayBuffer.isView(each)) as
    ArrayLike<unknown> | undefined;
  if (array === undefined) return false;
  const found: number[] = [];
  for (let index = 0; index < array.length && found.length < 2; index += 1) {
    if (Object.is(array[index], current)) found.push(index);
  }
  const [position] = found;
  if (position === undefined || found.length > 1) return false;
  positions.set(iterator, { array, position: position + 1, yields: 'values' });
  return true;
}

function tableIterator(graph: Graph, iterator: object): ObjectRecord {
  const [flat, pairs] = graph.preview(iterator);
  const { snapshot } = graph.heap;
  const table = snapshot.follow(graph.heap.nodeOf(iterator), 'table');
  const isMap = types.isMapIterator(iterator);
  let source: unknown;
  for (let node = 0; node < snapshot.count && source === undefined; node += 1) {
    if (snapshot.follow(node, 'table') !== table) continue;
    const live = graph.heap.liveOf(node);
    if (types.isMap(live) || types.isSet(live)) source = live;
  }
  const left = pairs ? flat.length / 2 : flat.length;
  const of = isMap ? 'map' : 'set';
  if (source === undefined) {
    if (left > 0)
      throw graph.refuse('an iterator whose Map or Set is not known', { passing: true });
    return {
      k: 'iterator',
      of,
      source: graph.value(isMap ? new Map() : new Set(), of),
      position: 0,
      yields: 'values',
    };
  }
  let yields: IteratorRecord['yields'] = pairs ? 'entries' : 'values';
  if (!pairs && types.isMap(source)) {
    const values: unknown[] = [];
    Map.prototype.forEach.call(source, (value: unknown) => values.push(value));
    const tail = values.slice(values.length - left);
    if (tail.some((each, index) => !Object.is(each, flat[index]))) yields = 'keys';
  }
  return { k: 'iterator', of, source: graph.value(source, of), position: left, yields };
}
