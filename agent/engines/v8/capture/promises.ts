import { types } from 'node:util';
import type { KindRecord, ObjectRecord, ReactionRecord } from '../capsule/format.ts';
import { hiddenActivation } from './activations.ts';
import { areStoresInUse, frameOf, frameOfReaction, isNote } from './asyncFrames.ts';
import type { Graph } from './graph.ts';
import { isReported } from './rejections.ts';

export function promiseRecord(graph: Graph, promise: Promise<unknown>): ObjectRecord {
  const [state, result] = graph.promiseDetails(promise);
  if (state !== 0) {
    const record: Extract<KindRecord, { k: 'promise'; result: unknown }> = {
      k: 'promise',
      state: state === 1 ? 'fulfilled' : 'rejected',
      result: graph.value(result, 'result'),
    };
    if (state !== 1 && isReported(graph, promise)) record.unhandled = 1;
    return graph.finish(record, promise, (key) => isNote(graph, key));
  }
  const reactions = graph.heap.reactionsOf(promise).map((node) => reaction(graph, node));
  return graph.finish({ k: 'promise', state: 'pending', reactions }, promise, (key) =>
    isNote(graph, key),
  );
}

function reaction(graph: Graph, node: number): ReactionRecord {
  const { snapshot } = graph.heap;
  const { fulfilled, rejected, derived } = graph.heap.reaction(node);
  const activation = waiting(graph, fulfilled);
  if (activation >= 0) {
    const name = graph.heap.builtinName(fulfilled);
    if (/Return|ForOf/.test(name)) {
      throw graph.refuse('in the middle of a step of an asynchronous generator', { passing: true });
    }
    const id = hiddenActivation(graph, activation);
    const waits = { activation: id, ...reactionFrame(graph, node, derived) };
    return name.includes('Yield') ? { ...waits, yields: 1 } : waits;
  }
  const record: { -readonly [K in keyof ReactionRecord]: ReactionRecord[K] } = {};
  Object.assign(record, reactionFrame(graph, node, derived));
  if (hasHandler(graph, fulfilled))
    record.fulfilled = graph.value(graph.heap.liveOf(fulfilled), 'then');
  if (hasHandler(graph, rejected))
    record.rejected = graph.value(graph.heap.liveOf(rejected), 'catch');
  if (derived >= 0 && !/^(system \/ Oddball|undefined)$/.test(snapshot.name(derived))) {
    record.derived = graph.id(derivedPromise(graph, derived), 'then()');
  }
  return record;
}

/** V8 has it with the reaction, or Node.js its stores with the promise that it makes, for an `await` as well. */
function reactionFrame(graph: Graph, node: number, derived: number): Pick<ReactionRecord, 'frame'> {
  if (!areStoresInUse(graph)) return {};
  const promise = promiseOf(graph, derived);
  const frame =
    frameOfReaction(graph, node) ?? (promise === undefined ? undefined : frameOf(graph, promise));
  return frame === undefined ? {} : { frame };
}

/** What `then` returned. V8 keeps the promise itself, or with it the functions that settle it. */
function derivedPromise(graph: Graph, node: number): unknown {
  const promise = promiseOf(graph, node);
  if (promise === undefined) throw graph.refuse('a promise with a reaction that is not known');
  return promise;
}

function promiseOf(graph: Graph, node: number): object | undefined {
  if (node < 0) return undefined;
  const { heap } = graph;
  const edges = heap.snapshot.edges(node).map(({ to }) => to);
  const isObject = heap.snapshot.type(node) === 'object';
  const live = isObject && heap.snapshot.name(node) === 'Promise' ? heap.liveOf(node) : undefined;
  if (types.isPromise(live)) return live;
  const settles = edges.find((to) => /^PromiseCapabilityDefaultResolve/.test(heap.builtinName(to)));
  const promise = settles === undefined ? -1 : heap.settler(settles).promise;
  return edges.includes(promise) ? (heap.liveOf(promise) as object) : undefined;
}

/** Whether there is a handler; V8 has undefined where there is none. */
function hasHandler(graph: Graph, node: number): boolean {
  return node >= 0 && typeof graph.heap.liveOf(node) === 'function';
}

/** The suspended activation that a reaction wakes; -1 when it wakes none. */
function waiting(graph: Graph, closure: number): number {
  const { snapshot } = graph.heap;
  if (closure < 0 || snapshot.type(closure) !== 'closure') return -1;
  if (
    graph.heap.scriptOf(closure)?.url !== undefined &&
    !/^Async/.test(graph.heap.builtinName(closure))
  )
    return -1;
  for (const { to } of snapshot.edges(snapshot.follow(closure, 'context'))) {
    if (snapshot.follow(to, 'parameters_and_registers') >= 0) return to;
  }
  return -1;
}
