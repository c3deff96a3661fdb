import type { Value } from '../capsule/format.ts';
import type { Adapter } from './adapter.ts';
import { loadedInternal, needInternal, type Maker } from './loaded.ts';

interface LiveRing {
  readonly list: readonly unknown[];
  readonly bottom: number;
  readonly top: number;
  readonly next: LiveRing | null;
}

interface LiveQueue {
  /** The ring that is taken from first. */
  readonly tail: LiveRing;
  push(value: unknown): void;
}

const module = 'internal/fixed_queue';

/** Queues in which Node.js keeps what waits to be taken: for the iterator of `events.on`, for one. */
export const fixedQueues: Adapter = {
  host: 'fixedQueue',
  prototypes(internals) {
    const maker = loadedInternal(internals, module) as unknown as Maker | undefined;
    return [maker?.prototype as object | undefined];
  },
  record(graph, object) {
    const list: Value[] = [];
    const { tail } = object as LiveQueue;
    for (let ring: LiveRing | null = tail; ring !== null; ring = ring.next) {
      for (let at = ring.bottom; at !== ring.top; at = (at + 1) % ring.list.length)
        list.push(graph.value(ring.list[at], `waiting ${list.length}`));
    }
    return { k: 'host', host: 'fixedQueue', state: { list } };
  },
  shell: () => new (needInternal(module) as unknown as Maker)(),
  fill(world, object, { state }) {
    for (const each of state['list'] as Value[]) (object as LiveQueue).push(world.value(each));
  },
};
