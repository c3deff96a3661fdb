import type { AsyncLocalStorage } from 'node:async_hooks';
import type { Value } from '../capsule/format.ts';
import { hiddenValue } from '../hosts/adapter.ts';
import { isLoaded, loadedModule, type Maker } from '../hosts/loaded.ts';
import type { Graph } from './graph.ts';

/**
 * What the stores of AsyncLocalStorage are where something goes on. Node.js from 24 on has a frame for that, a Map of its
 * own from storages to stores, which V8 keeps with what waits for a promise. Before that each storage has a symbol,
 * under which its store is kept on timers, promises and whatever else goes on later. A capsule has frames either way.
 */

/** A storage whose stores are kept under a symbol. */
export interface KeyedStorage extends AsyncLocalStorage<unknown> {
  readonly kResourceStore: symbol;
  enabled: boolean;
  _enable(): void;
}

/** Symbols of Node.js under which it keeps frames on timers and resources. */
const frameSymbols = ['kAsyncContextFrame', 'context_frame'];

/** The class of storages; undefined in a program that has none. */
export function storageClass(): Maker | undefined {
  const exported = loadedModule('async_hooks');
  const own = exported && Reflect.getOwnPropertyDescriptor(exported, 'AsyncLocalStorage');
  if (own?.get === undefined) return own?.value as Maker | undefined;
  const kinds = ['async_context_frame', 'async_hooks'];
  const isThere = kinds.some((kind) => isLoaded(`internal/async_local_storage/${kind}`));
  return isThere ? (exported?.['AsyncLocalStorage'] as Maker) : undefined;
}

/** Whether storages have stores in frames. */
export function hasFrames(): boolean {
  return storageClass()?.prototype !== undefined && enableOf() === undefined;
}

function enableOf(): object | undefined {
  const { prototype } = (storageClass() ?? {}) as { prototype?: object };
  return prototype && (Reflect.get(prototype, '_enable') as object | undefined);
}

const keyed = new WeakMap<Graph, readonly KeyedStorage[]>();

/** Storages that are in use, where stores are kept by symbol. */
function keyedStorages(graph: Graph): readonly KeyedStorage[] {
  const known = keyed.get(graph);
  if (known !== undefined) return known;
  const enable = enableOf();
  const found = (enable === undefined ? [] : graph.heap.scopesOf(enable))
    .map(({ object }) => Reflect.getOwnPropertyDescriptor(object, 'storageList')?.value as unknown)
    .find((each) => Array.isArray(each));
  const list = (found ?? []) as KeyedStorage[];
  keyed.set(graph, list);
  return list;
}

const inUse = new WeakMap<Graph, boolean>();

/** Whether anything may have stores. */
export function areStoresInUse(graph: Graph): boolean {
  if (!hasFrames()) return keyedStorages(graph).length > 0;
  // Where there is a snapshot that tells of each.
  if (graph.heap.memory === undefined) return true;
  const known = inUse.get(graph);
  if (known !== undefined) return known;
  // A frame holds its storages. The class alone is there in any program that has moved.
  const isAnyThere = graph.inspection.heirs(storageClass()?.prototype ?? {}).length > 0;
  inUse.set(graph, isAnyThere);
  return isAnyThere;
}

/**
 * The frame in which a timer, a promise or a resource goes on; undefined where there is none.
 * @throws {Refusal}
 */
export function frameOf(graph: Graph, resource: object): Value | undefined {
  const frame = frameSymbols
    .map((name) => hiddenValue(resource, name))
    .find((each) => each !== undefined);
  if (frame !== undefined) return graph.value(frame, 'stores');
  const storages = keyedStorages(graph);
  const entries: [Value, Value][] = [];
  for (const symbol of Object.getOwnPropertySymbols(resource)) {
    if (symbol.description !== 'kResourceStore') continue;
    const store = Reflect.get(resource, symbol) as unknown;
    if (store === undefined) continue;
    const storage = storages.find(({ kResourceStore }) => kResourceStore === symbol);
    if (storage === undefined) {
      throw graph.refuse('in the run of an AsyncLocalStorage that has been disabled');
    }
    entries.push([graph.value(storage, 'storage'), graph.value(store, 'store')]);
  }
  return entries.length === 0 ? undefined : [keyedFrame(graph, entries)];
}

const frames = new WeakMap<Graph, Map<string, number>>();

/** One record for all that go on in the same stores. */
function keyedFrame(graph: Graph, entries: [Value, Value][]): number {
  const known = frames.get(graph) ?? new Map<string, number>();
  frames.set(graph, known);
  const name = JSON.stringify(entries);
  const id = known.get(name) ?? graph.add({ k: 'host', host: 'asyncFrame', state: { entries } });
  known.set(name, id);
  return id;
}

/** The frame that V8 keeps with a reaction of a promise. */
export function frameOfReaction(graph: Graph, node: number): Value | undefined {
  if (!hasFrames()) return undefined;
  const frame = graph.heap.snapshot.edges(node).find(({ to }) => isFrame(graph, to));
  return frame === undefined ? undefined : graph.value(graph.heap.liveOf(frame.to), 'stores');
}

function isFrame(graph: Graph, node: number): boolean {
  const { snapshot } = graph.heap;
  return snapshot.name(node) === 'AsyncContextFrame' && snapshot.type(node) === 'object';
}

/** Symbols under which Node.js notes on promises what is noted anew where the program goes on. */
export function isNote(graph: Graph, key: string | symbol): boolean {
  if (typeof key !== 'symbol') return false;
  if (keyedStorages(graph).some(({ kResourceStore }) => kResourceStore === key)) return true;
  const { symbols } = graph.internals.require('internal/async_hooks') as {
    symbols: Record<string, symbol>;
  };
  return key === symbols['async_id_symbol'] || key === symbols['trigger_async_id_symbol'];
}

/** Objects of native code that call the program by themselves, in the stores that they were made in. */
const callers = /^(TCP|Pipe|TTY|UDP|Signal|FSEvent|StatWatcher|MessagePort)$/;

/** Live ones that were made in stores. */
export function callersInStores(graph: Graph): object[] {
  if (!areStoresInUse(graph)) return [];
  const { snapshot } = graph.heap;
  const found: object[] = [];
  for (let node = 0; node < snapshot.count; node += 1) {
    if (snapshot.type(node) !== 'object' || !callers.test(snapshot.name(node))) continue;
    const isIn = snapshot
      .edges(node)
      .some(
        ({ name, to }) =>
          isFrame(graph, to) ||
          (name === '<symbol kResourceStore>' && !snapshot.name(to).includes('Oddball')),
      );
    const live = isIn ? graph.heap.liveOf(node) : undefined;
    if (typeof live === 'object' && live !== null) found.push(live);
  }
  return found;
}
