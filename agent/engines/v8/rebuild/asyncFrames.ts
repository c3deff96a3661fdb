import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { Value } from '../capsule/format.ts';
import type { KeyedStorage } from '../capture/asyncFrames.ts';
import { setHiddenValue } from '../hosts/adapter.ts';
import { needInternal } from '../hosts/loaded.ts';
import type { World } from './world.ts';

/** Node.js's own class of frames; undefined in one that keeps stores by symbol. */
interface Frames {
  readonly enabled: boolean;
  current(): object | undefined;
  set(frame: object | undefined): void;
}

/** Stores by symbol, as promises and timers have them. */
class KeyedFrame extends AsyncResource {
  readonly stores: readonly (readonly [symbol, unknown])[];

  constructor(stores: readonly (readonly [KeyedStorage, unknown])[]) {
    super('FRAME', { requireManualDestroy: true });
    this.stores = stores.map(([storage, store]) => [storage.kResourceStore, store]);
    this.give(this);
  }

  give(resource: object): void {
    for (const [symbol, store] of this.stores) Reflect.set(resource, symbol, store);
  }
}

/** Stands for the frame of nothing. */
const none = {};

let known: Frames | null | undefined;

function nodeFrames(): Frames | undefined {
  // Where storages have `_enable` there are none, though there may be the class.
  if (known === undefined) {
    const isKeyed = '_enable' in AsyncLocalStorage.prototype;
    known = isKeyed ? null : (needInternal('internal/async_context_frame') as unknown as Frames);
  }
  return known ?? undefined;
}

/** Makes a frame of storages and their stores; an empty one is undefined to Node.js as well. */
export function frameOfStores(world: World, entries: readonly [Value, Value][]): object {
  const stores = entries.map(
    ([storage, store]) => [world.value(storage) as KeyedStorage, world.value(store)] as const,
  );
  const frames = nodeFrames();
  if (frames === undefined) return new KeyedFrame(stores);
  const prior = frames.current();
  frames.set(undefined);
  for (const [storage, store] of stores) storage.enterWith(store);
  const frame = frames.current();
  frames.set(prior);
  return frame ?? none;
}

/**
 * Lets Node.js follow stores from here on, if the program had it do so: what is made before is not followed where stores
 * are kept by symbol.
 */
export function followStores(world: World): void {
  if (nodeFrames() !== undefined) return;
  const used = new Set<unknown>();
  for (const [id, { state }] of world.hosts('asyncStorage')) {
    if (state['enabled'] === true) used.add(world.get(id));
  }
  for (const [, { state }] of world.hosts('asyncFrame')) {
    for (const [storage] of state['entries'] as [Value, Value][]) used.add(world.value(storage));
  }
  for (const storage of used) (storage as KeyedStorage)._enable();
}

/** Does what begins something that goes on in a frame. */
export function within<T>(world: World, frame: Value | undefined, begin: () => T): T {
  if (frame === undefined) return begin();
  const live = world.value(frame) as object;
  const frames = nodeFrames();
  if (frames === undefined) return (live as KeyedFrame).runInAsyncScope(begin);
  const prior = frames.current();
  frames.set(live === none ? undefined : live);
  try {
    return begin();
  } finally {
    frames.set(prior);
  }
}

/** Gives a frame to a promise or a timer that is there already, where such things have one. */
export function giveFrame(world: World, frame: Value | undefined, resource: object): void {
  if (frame === undefined) return;
  const live = world.value(frame) as object;
  if (live instanceof KeyedFrame) live.give(resource);
  else if (live !== none) setHiddenValue(resource, 'kAsyncContextFrame', live);
}
