import type { HostState, KindRecord, Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import type { NodeInternals } from '../capture/internals.ts';
import { Refusal } from '../capture/refusal.ts';
import { within } from '../rebuild/asyncFrames.ts';
import type { World } from '../rebuild/world.ts';
import { calledLater, frameIn, laterCall } from './laterCalls.ts';

/** An immediate as Node.js keeps it. */
export interface LiveImmediate {
  _onImmediate: unknown;
  _argv: unknown[] | undefined;
  _destroyed: boolean;
  _idleNext: LiveImmediate | null;
  _idlePrev: LiveImmediate | null;
  hasRef(): boolean;
}

/** Those that wait for the next turn. */
interface ImmediateQueue {
  readonly head: LiveImmediate | null;
  append(immediate: LiveImmediate): void;
  remove(immediate: LiveImmediate): void;
}

/** Node.js's own: the program may have put something else in its place by the time that it is needed. */
const makeImmediate = setImmediate;

export function immediateRecord(graph: Graph, immediate: LiveImmediate): KindRecord {
  return {
    k: 'host',
    host: 'immediate',
    state: {
      ...laterCall(graph, immediate, immediate._onImmediate, immediate._argv),
      ref: immediate.hasRef(),
    },
  };
}

/** In the order in which they run; the first `turn` of them in this very turn, before any timer. */
export function waitingImmediates(graph: Graph): HostState {
  const own = [...graph.hosts.own].find(
    (each) => Object.getPrototypeOf(each) === graph.hosts.immediateProto,
  ) as LiveImmediate | undefined;
  const found = new Set<LiveImmediate>();
  const add = (first: LiveImmediate | null): void => {
    for (let each = first; each !== null; each = each._idleNext)
      if (!graph.hosts.own.has(each) && !each._destroyed) found.add(each);
  };
  // Those of this very turn hang on the engine's own.
  add(own?._idleNext ?? null);
  const turn = found.size;
  add(queueOf(graph.internals).head);
  if ([...found].some((each) => endsConnection(graph, each)))
    throw new Refusal('Cannot move yet: a connection is being closed.', { passing: true });
  return { list: [...found].map((each) => graph.value(each, 'an immediate')), turn };
}

/** Whether the end of a connection has been left for a moment later. */
function endsConnection(graph: Graph, { _onImmediate: callback }: LiveImmediate): boolean {
  const url = typeof callback === 'function' ? graph.heap.script(callback)?.url : undefined;
  return url === 'node:_http_common' || url === 'node:_tls_wrap';
}

/**
 * Has the program's immediates wait again, where they were.
 * @param running the immediate in which this is done
 */
export function restoreImmediates(
  world: World,
  internals: NodeInternals,
  state: HostState,
  running: object,
): void {
  const queue = queueOf(internals);
  let last = running as LiveImmediate;
  for (const [index, each] of ((state['list'] ?? []) as Value[]).entries()) {
    const immediate = restoreImmediate(world, queue, each);
    if (index >= ((state['turn'] ?? 0) as number)) queue.append(immediate);
    else {
      last._idleNext = immediate;
      immediate._idlePrev = last;
      last = immediate;
    }
  }
}

/** The program knows it by an object that has been made already: what a new one gets is given to that. */
function restoreImmediate(world: World, queue: ImmediateQueue, value: Value): LiveImmediate {
  const { state } = world.kind(world.idOf(value)) as { readonly state: HostState };
  const { callback, args } = calledLater(world, state);
  const fresh = within(world, frameIn(state), () => makeImmediate(callback, ...args));
  if (state['ref'] === false) fresh.unref();
  queue.remove(fresh as unknown as LiveImmediate);
  return Object.assign(world.value(value) as LiveImmediate, fresh);
}

function queueOf(internals: NodeInternals): ImmediateQueue {
  const { immediateQueue } = internals.require('internal/timers') as {
    immediateQueue: ImmediateQueue;
  };
  return immediateQueue;
}
