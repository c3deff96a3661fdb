import { corePath, resolveBuiltin } from '../capsule/builtins.ts';
import type { Value } from '../capsule/format.ts';
import type { Adapter } from './adapter.ts';

/** The listeners of one event of an emitter. Newer versions mark such arrays for themselves, and count in them. */
export const listenerLists: Adapter = {
  host: 'listeners',
  shell: () => [],
  fill(world, object, { state }) {
    const list = object as unknown[] & Record<symbol, unknown>;
    for (const each of state['list'] as Value[]) list.push(world.value(each));
    const counter = resolveBuiltin(corePath('node:events', 'kEmitting'));
    if (typeof counter === 'symbol') list[counter] = 0;
  },
};
