import { corePath, resolveBuiltin } from '../capsule/builtins.ts';
import type { HostState, Value } from '../capsule/format.ts';
import { frameOf } from '../capture/asyncFrames.ts';
import type { Graph } from '../capture/graph.ts';
import { weakTarget } from '../capture/weakTarget.ts';
import { within } from '../rebuild/asyncFrames.ts';
import type { World } from '../rebuild/world.ts';
import {
  describeHost,
  hiddenValue,
  privateValue,
  setHiddenValue,
  type Adapter,
} from './adapter.ts';
import { addTargetListeners, targetListeners } from './eventTargets.ts';
import { loadedGlobal } from './loaded.ts';
import { liveTimers, type LiveTimer } from './liveTimers.ts';

const module = 'internal/abort_controller';

export const abortController: Adapter = {
  host: 'abortController',
  prototypes: () => [loadedGlobal('AbortController', module)?.prototype as object | undefined],
  record: (graph, object) =>
    describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'abortController',
        state: { signal: graph.value(privateValue(graph, object, '#signal'), 'signal') },
      },
      new AbortController(),
    ),
  shell(world, record) {
    const made = world.construct(record, AbortController, []) as AbortController;
    world.made(world.idOf(record.state['signal']), made.signal);
    return made;
  },
};

/** Signals of `AbortSignal.timeout` whose time is not over, each with its timer. */
function* timedSignals(graph: Graph): Generator<[signal: object, timer: LiveTimer]> {
  for (const timer of liveTimers(graph.internals)) {
    const callback = timer._onTimeout;
    if (typeof callback !== 'function') continue;
    if (graph.heap.script(callback)?.url !== `node:${module}`) continue;
    for (const { object } of graph.inspection.internals(callback).scopes) {
      const reference = Reflect.getOwnPropertyDescriptor(object, 'weakRef')?.value as unknown;
      // One of a class of Node.js's own that does not inherit from WeakRef any more.
      const signal = typeof reference === 'object' && reference && weakTarget(reference);
      if (typeof signal === 'object' && signal !== null) yield [signal, timer];
    }
  }
}

/** Timed signals that somebody listens to, which Node.js holds until their time is over. */
export function awaitedSignals(graph: Graph): Value[] {
  return [...timedSignals(graph)]
    .filter(
      ([signal]) =>
        ((hiddenValue(signal, 'kEvents') as Map<string, unknown> | undefined)?.size ?? 0) > 0,
    )
    .map(([signal]) => graph.value(signal, 'AbortSignal.timeout()'));
}

/** Time that is left until a timed signal aborts, in ms, and in which stores; nothing for others. @throws {Refusal} */
function timeLeft(graph: Graph, signal: object): HostState {
  if (hiddenValue(signal, 'kTimeout') !== true || (signal as AbortSignal).aborted) return {};
  const timer = [...timedSignals(graph)].find(([each]) => each === signal)?.[1];
  if (timer === undefined) throw graph.refuse('a signal whose time is not known');
  const left = Math.max(
    1,
    timer._idleTimeout - (graph.hosts.now(graph.internals) - timer._idleStart),
  );
  const frame = frameOf(graph, timer);
  return frame === undefined ? { left } : { left, frame };
}

/** By the id of a signal, the controller that it belongs to. */
const owners = new WeakMap<World, Map<number, number>>();

function ownerOf(world: World, signal: number): number | undefined {
  let known = owners.get(world);
  if (known === undefined) {
    known = new Map();
    for (const [id, { state }] of world.hosts('abortController')) {
      known.set(world.idOf(state['signal']), id);
    }
    owners.set(world, known);
  }
  return known.get(signal);
}

export const abortSignal: Adapter = {
  host: 'abortSignal',
  prototypes: () => [loadedGlobal('AbortSignal', module)?.prototype as object | undefined],
  record(graph, object) {
    const sources = hiddenValue(object, 'kSourceSignals') as Set<WeakRef<object>> | undefined;
    const { aborted } = object as AbortSignal;
    const following = aborted ? [] : [...(sources ?? [])].flatMap((each) => each.deref() ?? []);
    return describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'abortSignal',
        state: {
          aborted,
          reason: graph.value((object as AbortSignal).reason, 'reason'),
          sources: following.map((each, index) => graph.value(each, `signal ${index}`)),
          listeners: targetListeners(graph, object),
          most: hiddenValue(object, 'events.maxEventTargetListeners') as number,
          ...timeLeft(graph, object),
        },
      },
      new AbortController().signal,
      ['kTimeout', 'kSourceSignals', 'kDependantSignals', 'kFollowing', 'kResultSignalWeakRef'],
    );
  },
  shell(world, { state }, id) {
    const owner = ownerOf(world, id);
    if (owner !== undefined) {
      world.get(owner);
      return world.peek(id);
    }
    const sources = (state['sources'] as unknown[]).map((each) => world.value(each) as AbortSignal);
    return sources.length > 0 ? AbortSignal.any(sources) : new AbortController().signal;
  },
  fill(world, object, { state }) {
    setHiddenValue(object, 'kAborted', state['aborted']);
    setHiddenValue(object, 'kReason', world.value(state['reason']));
    setHiddenValue(object, 'events.maxEventTargetListeners', state['most']);
    if (state['left'] !== undefined) {
      const key = resolveBuiltin(corePath(`node:${module}`, 'kTimeout'));
      if (typeof key === 'symbol') Reflect.set(object, key, true);
    }
    addTargetListeners(world, object as AbortSignal, state['listeners']);
  },
  start(world, object, { state }) {
    const { left } = state;
    if (typeof left !== 'number') return;
    const begin = resolveBuiltin(corePath(`node:${module}`, 'setWeakAbortSignalTimeout'));
    within(world, state['frame'] as Value | undefined, () => {
      (begin as (signal: WeakRef<object>, delay: number) => void)(new WeakRef(object), left);
    });
  },
};
