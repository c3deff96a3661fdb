import type { HostState, Value } from '../capsule/format.ts';
import { frameOf } from '../capture/asyncFrames.ts';
import type { Graph } from '../capture/graph.ts';
import type { World } from '../rebuild/world.ts';

/** What a timer or an immediate calls, with what, and in which stores of AsyncLocalStorage. */
export function laterCall(
  graph: Graph,
  resource: object,
  callback: unknown,
  args: readonly unknown[] | undefined,
): HostState {
  const frame = frameOf(graph, resource);
  return {
    callback: graph.value(callback, 'callback'),
    args: (args ?? []).map((each, index) => graph.value(each, `argument ${index}`)),
    ...(frame === undefined ? {} : { frame }),
  };
}

export function calledLater(
  world: World,
  state: HostState,
): { readonly callback: (...args: unknown[]) => void; readonly args: unknown[] } {
  return {
    callback: world.value(state['callback']) as (...args: unknown[]) => void,
    args: ((state['args'] ?? []) as Value[]).map((each) => world.value(each)),
  };
}

export function frameIn(state: HostState): Value | undefined {
  return state['frame'] as Value | undefined;
}
