import type { EventEmitter } from 'node:events';
import type { Value } from '../capsule/format.ts';
import { isUserFunction } from '../capture/functions.ts';
import type { Graph } from '../capture/graph.ts';
import type { World } from '../rebuild/world.ts';

/** Listeners that the program has put on an emitter of Node.js, which has others of its own. */
export function userListeners(graph: Graph, emitter: EventEmitter): [Value, Value][] {
  return someListeners(graph, emitter, (target) => isUserFunction(graph, target));
}

/**
 * All listeners, those that Node.js added on behalf of the program as well, but not those that a fresh emitter has.
 * @param isNodes whether a listener is of Node.js's own use though a fresh emitter does not have it
 */
export function addedListeners(
  graph: Graph,
  emitter: EventEmitter,
  fresh: EventEmitter,
  isNodes?: (listener: object) => boolean,
): [Value, Value][] {
  const own = new Map(fresh.eventNames().map((name) => [name, fresh.listenerCount(name)]));
  return someListeners(graph, emitter, (target, name) => {
    if (isUserFunction(graph, target)) return true;
    if (isNodes?.(target) === true) return false;
    const left = own.get(name) ?? 0;
    own.set(name, left - 1);
    return left <= 0;
  });
}

function someListeners(
  graph: Graph,
  emitter: EventEmitter,
  wanted: (target: object, event: string | symbol) => boolean,
): [Value, Value][] {
  const listeners: [Value, Value][] = [];
  for (const name of emitter.eventNames()) {
    for (const listener of emitter.rawListeners(name)) {
      const target = (listener as { listener?: unknown }).listener ?? listener;
      if (typeof target === 'function' && wanted(target, name)) {
        listeners.push([graph.value(name, String(name)), graph.value(listener, String(name))]);
      }
    }
  }
  return listeners;
}

/** Puts listeners on an emitter without telling it of them. */
export function addListeners(world: World, emitter: EventEmitter, state: unknown): void {
  const added = (emitter as { _events?: Record<string, unknown> })._events ?? {};
  const told = Reflect.getOwnPropertyDescriptor(added, 'newListener');
  if (told?.value !== undefined) added['newListener'] = undefined;
  for (const [name, listener] of (state ?? []) as [Value, Value][]) {
    emitter.on(world.value(name) as string, world.value(listener) as () => void);
  }
  if (told?.value !== undefined) added['newListener'] = told.value;
}
