import { types } from 'node:util';
import type { IteratorRecord, ObjectRecord } from '../capsule/format.ts';
import type { Graph } from './graph.ts';
import { isAddress, smallInteger, type Memory, type Word } from './memory.ts';

const arrayIterator = Object.getPrototypeOf([][Symbol.iterator]()) as object;
const stringIterator = Object.getPrototypeOf(''[Symbol.iterator]()) as object;
const matchIterator = Object.getPrototypeOf(''.matchAll(/a/g)) as object;

type Yields = IteratorRecord['yields'];

/** Where loops stand in arrays when memory cannot be read: the loop's own variable tells it. */
const positions = new WeakMap<object, { array: unknown; position: number; yields: Yields }>();

export function iteratorRecord(graph: Graph, object: object): ObjectRecord | undefined {
  if (types.isMapIterator(object) || types.isSetIterator(object))
    return tableIterator(graph, object);
  const proto = Object.getPrototypeOf(object) as unknown;
  if (proto !== arrayIterator && proto !== stringIterator && proto !== matchIterator)
    return undefined;
  // An object that only inherits from such a prototype has nothing that iterates.
  if (!/Iterator/.test(graph.heap.snapshot.name(graph.heap.nodeOf(object)))) return undefined;
  const { memory } = graph.hidden;
  if (proto === arrayIterator) return arrayRecord(graph, object, memory);
  if (proto === stringIterator) return stringRecord(graph, object, memory);
  return matchRecord(graph, object, memory);
}

function unknown(graph: Graph, what: string): Error {
  return graph.refuse(`an iterator over ${what}, whose position is not known`, { passing: true });
}

interface ArrayLayout {
  readonly source: number;
  readonly position: number;
  readonly kind: number;
  readonly kinds: ReadonlyMap<Word, Yields>;
}

const fieldCount = 7;
const arrayLayouts = new WeakMap<Memory, ArrayLayout>();

function arrayLayout(memory: Memory): ArrayLayout {
  const known = arrayLayouts.get(memory);
  if (known !== undefined) return known;
  const sample = [{}, {}, {}];
  const fresh = sample.values();
  const stepped = sample.values();
  stepped.next();
  stepped.next();
  const others = { keys: sample.keys(), entries: sample.entries() };
  const layout = memory.exact((): ArrayLayout => {
    const fields = (object: object): Word[] => memory.words(memory.word(object), fieldCount);
    const [a, b, keys, entries] = [fresh, stepped, others.keys, others.entries].map(fields) as [
      Word[],
      Word[],
      Word[],
      Word[],
    ];
    const position = a.findIndex((word, at) => word === 0n && b[at] === 2n << 32n);
    const kind = a.findIndex(
      (word, at) =>
        !isAddress(word) && word !== keys[at] && word !== entries[at] && at !== position,
    );
    const kinds = new Map<Word, Yields>([
      [a[kind] ?? 1n, 'values'],
      [keys[kind] ?? 1n, 'keys'],
      [entries[kind] ?? 1n, 'entries'],
    ]);
    return { source: a.indexOf(memory.word(sample)), position, kind, kinds };
  });
  arrayLayouts.set(memory, layout);
  return layout;
}

function arrayRecord(graph: Graph, iterator: object, memory: Memory | undefined): ObjectRecord {
  const known = positions.get(iterator);
  if (known !== undefined) {
    const { array, position, yields } = known;
    return { k: 'iterator', of: 'array', source: graph.value(array, 'array'), position, yields };
  }
  if (memory === undefined) throw unknown(graph, 'an array');
  const { position, yields, source } = readArrayIterator(graph, iterator, memory);
  if (yields === undefined || position === undefined) throw unknown(graph, 'an array');
  if (position < 0) return spent(graph, iterator, 'array', []);
  if (source === undefined) throw unknown(graph, 'an array');
  const record: IteratorRecord = {
    k: 'iterator',
    of: 'array',
    source: graph.value(source, 'array'),
    position,
    yields,
  };
  return graph.finish(record, iterator);
}

interface ArrayPlace {
  /** Of what comes next; negative when it has come to its end. */
  readonly position: number | undefined;
  readonly yields: Yields | undefined;
  readonly source: unknown;
}

function readArrayIterator(graph: Graph, iterator: object, memory: Memory): ArrayPlace {
  const layout = arrayLayout(memory);
  const sources = references(graph, iterator);
  return memory.exact(() => {
    const words = memory.words(memory.word(iterator), fieldCount);
    const index = words[layout.position] ?? 1n;
    return {
      // One that has come to its end is far behind it.
      position: isAddress(index) ? -1 : smallInteger(index),
      yields: layout.kinds.get(words[layout.kind] ?? 1n),
      source: sources.find((each) => memory.word(each) === words[layout.source]),
    };
  });
}

/** What an iterator over an array gave last, in a list of one; empty when that is not known, or there is none. */
export function lastOfArray(graph: Graph, iterator: object): unknown[] {
  const { memory } = graph.hidden;
  if (memory === undefined || Object.getPrototypeOf(iterator) !== arrayIterator) return [];
  const { position = 0, yields, source } = readArrayIterator(graph, iterator, memory);
  if (!Array.isArray(source) || position < 1) return [];
  const index = position - 1;
  const element = Reflect.getOwnPropertyDescriptor(source, index)?.value as unknown;
  if (yields === 'entries') return [[index, element]];
  return yields === 'values' ? [element] : yields === 'keys' ? [index] : [];
}

function spent(
  graph: Graph,
  iterator: object,
  of: IteratorRecord['of'],
  source: unknown,
): ObjectRecord {
  const record: IteratorRecord = {
    k: 'iterator',
    of,
    source: graph.value(source, of),
    position: 0,
    yields: 'values',
    spent: 1,
  };
  return graph.finish(record, iterator);
}

/** Objects that V8's own fields of another lead to. */
function references(graph: Graph, object: object): unknown[] {
  const { heap } = graph;
  return heap.snapshot
    .edges(heap.nodeOf(object))
    .filter(({ type, name }) => type !== 'property' && type !== 'weak' && name !== 'map')
    .map(({ to }) => heap.liveOf(to))
    .filter((each) => each !== undefined);
}

function stringRecord(graph: Graph, iterator: object, memory: Memory | undefined): ObjectRecord {
  const found = memory?.exact(() => {
    const words = memory.words(memory.word(iterator), 5);
    const [text, index] = [words[3] ?? 1n, words[4] ?? 1n];
    const value = memory.isPrimitive(text) ? memory.primitive(text) : undefined;
    return { value, position: smallInteger(index) };
  });
  const { value, position } = found ?? {};
  if (typeof value !== 'string' || position === undefined) throw unknown(graph, 'a string');
  const record: IteratorRecord = {
    k: 'iterator',
    of: 'string',
    source: value,
    position,
    yields: 'values',
  };
  return graph.finish(record, iterator);
}

function matchRecord(graph: Graph, iterator: object, memory: Memory | undefined): ObjectRecord {
  if (memory === undefined) throw unknown(graph, 'matches');
  const over = /b/g[Symbol.matchAll]('a');
  over.next();
  const samples = [/b/g[Symbol.matchAll]('a'), /b/gu[Symbol.matchAll]('a'), over, iterator];
  const patterns = references(graph, iterator).filter((each) => typeof each === 'object');
  const found = memory.exact(() => {
    const [global = 0, unicode = 0, done = 0, flags = 0] = samples.map(
      (each) => smallInteger(memory.words(memory.word(each), 6)[5] ?? 0n) ?? 0,
    );
    const words = memory.words(memory.word(iterator), 6);
    const text = words[4] ?? 1n;
    return {
      isDone: (flags & (done ^ global)) !== 0,
      flags: `${(flags & global) === 0 ? '' : 'g'}${(flags & (unicode ^ global)) === 0 ? '' : 'u'}`,
      text: memory.isPrimitive(text) ? memory.primitive(text) : undefined,
      pattern: patterns.find((each) => memory.word(each) === words[3]),
    };
  });
  const { isDone, flags, text, pattern } = found;
  if (isDone) return spent(graph, iterator, 'matches', null);
  if (typeof text !== 'string' || pattern === undefined) throw unknown(graph, 'matches');
  const record: IteratorRecord = {
    k: 'iterator',
    of: 'matches',
    source: graph.value(pattern, 'pattern'),
    text,
    flags,
    position: 0,
    yields: 'values',
  };
  return graph.finish(record, iterator);
}

/**
 * Notes where a loop over an array stands, for want of a way to read it.
 * @param current what the loop's variable holds
 * @returns whether it could be told
 */
export function placeArrayIterator(graph: Graph, iterator: object, current: unknown): boolean {
  if (Object.getPrototypeOf(iterator) !== arrayIterator) return true;
  const array = references(graph, iterator).find(
    (each) => Array.isArray(each) || ArrayBuffer.isView(each),
  ) as ArrayLike<unknown> | undefined;
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

type Table = Map<unknown, unknown> | Set<unknown>;

function tableIterator(graph: Graph, iterator: object): ObjectRecord {
  const isMap = types.isMapIterator(iterator);
  const of = isMap ? 'map' : 'set';
  const sample: Table = isMap ? new globalThis.Map() : new globalThis.Set();
  const yields = (['keys', 'values', 'entries'] as const).find((each) =>
    graph.natives.sameShape(iterator, sample[each]()),
  );
  let source = tableOwner(graph, iterator);
  const [flat, pairs] = previewOf(graph, iterator, source);
  const left = pairs ? flat.length / 2 : flat.length;
  if (source === undefined) {
    if (left === 0) return spent(graph, iterator, of, sample);
    // Its Map or Set is gone: nobody can change any more what is left.
    source = sample;
    for (let index = 0; index < left; index += 1) {
      const [key, value] = pairs ? flat.slice(2 * index) : [flat[index], flat[index]];
      if (types.isSet(sample)) Reflect.apply(Set.prototype.add, sample, [key]);
      else Reflect.apply(Map.prototype.set, sample, [yields === 'values' ? index : key, value]);
    }
  }
  if (yields === undefined)
    throw graph.refuse('an iterator over a Map or Set that was changed', { passing: true });
  const record: IteratorRecord = {
    k: 'iterator',
    of,
    source: graph.value(source, of),
    position: left,
    yields,
  };
  return graph.finish(record, iterator);
}

/**
 * What an iterator has left. V8 takes one that is looked at when nothing is left for over, so that it gives nothing any
 * more, whatever is added: something has to be left.
 */
function previewOf(
  graph: Graph,
  iterator: object,
  source: Table | undefined,
): [flat: unknown[], pairs: boolean] {
  if (source === undefined) return graph.preview(iterator);
  const last = {};
  if (types.isSet(source)) Reflect.apply(Set.prototype.add, source, [last]);
  else Reflect.apply(Map.prototype.set, source, [last, last]);
  try {
    const [flat, pairs] = graph.preview(iterator);
    return [flat.slice(0, pairs ? -2 : -1), pairs];
  } finally {
    Reflect.apply(types.isSet(source) ? Set.prototype.delete : Map.prototype.delete, source, [
      last,
    ]);
  }
}

/**
 * The Map or Set of an iterator; undefined where it is gone. One that was rehashed since has another table, which the old
 * one leads to.
 * @throws {Refusal} when it is not certain
 */
function tableOwner(graph: Graph, iterator: object): Table | undefined {
  const { snapshot } = graph.heap;
  // It has no name there, unlike that of a Map or Set.
  const [table, ...others] = snapshot
    .edges(graph.heap.nodeOf(iterator))
    .filter(({ type, to }) => type === 'hidden' && snapshot.type(to) === 'array');
  if (table === undefined || others.length > 0) throw unknownOwner(graph);
  const owners = tableOwners(graph);
  const seen = new Set([table.to]);
  for (const node of seen) {
    const owner = owners.get(node);
    if (owner !== undefined) {
      const live = owner < 0 ? undefined : graph.heap.liveOf(owner);
      if (types.isMap(live) || types.isSet(live)) return live;
    }
    if (owner !== undefined || seen.size > 16) throw unknownOwner(graph);
    for (const { to, type } of snapshot.edges(node)) {
      const isTable = snapshot.name(to) === snapshot.name(node) && type !== 'weak';
      if (isTable && snapshot.type(to) === snapshot.type(node)) seen.add(to);
    }
  }
  return undefined;
}

function unknownOwner(graph: Graph): Error {
  return graph.refuse('an iterator whose Map or Set is not known', { passing: true });
}

const allOwners = new WeakMap<Graph, ReadonlyMap<number, number>>();

/**
 * The nodes of Maps, Sets and what else has a table, those of other realms included, by the node of that; -1 where there are
 * several.
 */
function tableOwners(graph: Graph): ReadonlyMap<number, number> {
  const known = allOwners.get(graph);
  if (known !== undefined) return known;
  const owners = new Map<number, number>();
  const { snapshot } = graph.heap;
  for (let node = 0; node < snapshot.count; node += 1) {
    if (snapshot.type(node) !== 'object') continue;
    const table = snapshot.follow(node, 'table');
    if (table >= 0) owners.set(table, owners.has(table) ? -1 : node);
  }
  allOwners.set(graph, owners);
  return owners;
}
