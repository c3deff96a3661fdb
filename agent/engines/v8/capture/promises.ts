import type { ObjectRecord, ReactionRecord } from '../capsule/format.ts';
import { hiddenActivation } from './activations.ts';
import type { Graph } from './graph.ts';

export function promiseRecord(graph: Graph, promise: Promise<unknown>): ObjectRecord {
  const [state, result] = graph.promiseDetails(promise);
  if (state !== 0) {
    return graph.finish(
      { k: 'promise', state: state === 1 ? 'fulfilled' : 'rejected', result: graph.value(result, 'result') },
      promise,
    );
  }
  const reactions = graph.heap.reactionsOf(promise).map((node) => reaction(graph, node));
  return graph.finish({ k: 'promise', state: 'pending', reactions }, promise);
}

function reaction(graph: Graph, node: number): ReactionRecord {
  const { snapshot } = graph.heap;
  const { fulfilled, rejected, derived } = graph.heap.reaction(node);
  const activation = waiting(graph, fulfilled);
  if (activation >= 0) {
    const name = graph.heap.builtinName(fulfilled);
    if (/Yield|Return|ForOf/.test(name)) {
      throw graph.refuse('in the middle of a step of an asynchronous generator', { passing: true });
    }
    return { activation: hiddenActivation(graph, activation) };
  }
  const record: { -readonly [K in keyof ReactionRecord]: ReactionRecord[K] } = {};
  if (isClosure(graph, fulfilled)) record.fulfilled = graph.value(graph.heap.liveOf(fulfilled), 'then');
  if (isClosure(graph, rejected)) record.rejected = graph.value(graph.heap.liveOf(rejected), 'catch');
  if (derived >= 0 && snapshot.name(derived) !== 'system / Oddball' && snapshot.type(derived) === 'object') {
    if (snapshot.name(derived).startsWith('system / PromiseCapability')) {
      throw graph.refuse('a promise with a reaction of a class derived from Promise');
    }
    const live = graph.heap.liveOf(derived);
    if (!(live instanceof Promise)) throw graph.refuse('a promise with an unknown reaction');
    record.derived = graph.id(live, 'then()');
  }
  return record;
}

function isClosure(graph: Graph, node: number): boolean {
  // Objects can be called as well: what is callable is seen on the live object only.
  return node >= 0 && graph.heap.snapshot.type(node) === 'closure';
}

/** The suspended activation that a reaction wakes; -1 when it wakes none. */
function waiting(graph: Graph, closure: number): number {
  const { snapshot } = graph.heap;
  if (closure < 0 || snapshot.type(closure) !== 'closure') return -1;
  if (graph.heap.scriptOf(closure)?.url !== undefined && !/^Async/.test(graph.heap.builtinName(closure))) return -1;
  for (const { to } of snapshot.edges(snapshot.follow(closure, 'context'))) {
    if (snapshot.follow(to, 'parameters_and_registers') >= 0) return to;
  }
  return -1;
}
