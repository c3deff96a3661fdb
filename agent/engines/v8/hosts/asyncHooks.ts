import { callersInStores } from '../capture/asyncFrames.ts';
import { isUserFunction } from '../capture/functions.ts';
import type { Graph } from '../capture/graph.ts';
import { Refusal } from '../capture/refusal.ts';
import { hiddenValue } from './adapter.ts';
import { isDropped } from './sockets.ts';
import { standardStream } from './standardStreams.ts';

/** @throws {Refusal} for what follows the program where nothing that is made again would be followed */
export function refuseHooks(graph: Graph): void {
  const { getHookArrays } = graph.internals.require('internal/async_hooks') as {
    getHookArrays(): [hooks: object[], fields: unknown];
  };
  const [hooks] = getHookArrays();
  for (const hook of hooks) {
    const callbacks = Reflect.ownKeys(hook).map((key) => Reflect.get(hook, key) as unknown);
    if (callbacks.some((each) => typeof each === 'function' && isUserFunction(graph, each))) {
      throw new Refusal('Cannot move yet: a hook of node:async_hooks is in use.', {
        hint: 'Disable it before the move.',
      });
    }
  }
  for (const caller of callersInStores(graph)) refuseCaller(caller);
}

/** What comes by these would be without the stores. */
function refuseCaller(caller: object): void {
  const owner = hiddenValue(caller, 'owner_symbol');
  if (typeof owner === 'object' && owner !== null) {
    const stream = standardStream(owner);
    // Nothing comes by the outputs, and nothing more by a connection that nobody is told of.
    if (stream === 'stdout' || stream === 'stderr' || isDropped(owner)) return;
  }
  const what = words[caller.constructor.name] ?? 'a server or a connection';
  throw new Refusal(
    `Cannot move yet: ${what} was made in the run of an AsyncLocalStorage, which it would forget.`,
    { hint: 'Make it outside of the run, or close it before the move.' },
  );
}

const words: Readonly<Record<string, string>> = {
  UDP: 'a datagram socket',
  TTY: 'a terminal',
  Signal: 'the listener of a signal',
  FSEvent: 'a watcher of a file',
  StatWatcher: 'a watcher of a file',
  MessagePort: 'a message port',
};
