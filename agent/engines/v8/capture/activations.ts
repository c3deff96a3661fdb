import { types } from 'node:util';
import type { AnyNode } from 'acorn';
import type { ActivationRecord, ObjectRecord } from '../capsule/format.ts';
import { findTarget } from '../language/places.ts';
import { planResumption, planStart, type Resumption } from '../language/resume.ts';
import { names } from '../language/resumePlan.ts';
import { resumedText } from '../language/resumedText.ts';
import type { ActivationView, Completion } from '../language/stable.ts';
import { NotResumable } from '../language/notResumable.ts';
import { headLines, readOriginMark } from '../language/origin.ts';
import { isFunction, parseGenerated, walk, type FunctionNode } from '../language/parse.ts';
import { offsetOf } from '../language/positions.ts';
import { coreActivation, needOfCore } from './coreFunctions.ts';
import { describeRequests, hasRequests } from './asyncGenerators.ts';
import type { Graph } from './graph.ts';
import { guessIterators, placeIterators } from './loops.ts';
import { ownContexts, resumedState } from './ownScopes.ts';
import { Refusal } from './refusal.ts';
import { compiledOf, keepValues, registerNodes, Registers } from './registers.ts';
import { describePlace, type Place } from './scripts.ts';
import { isUnchanged } from './unchanged.ts';

/** One that has come to its end. */
const nothing: Omit<ActivationRecord, 'kind'> = {
  k: 'activation',
  state: 'closed',
  fn: [],
  receiver: [],
  context: 0,
  at: 0,
  locals: {},
  iterators: {},
};

/** A generator object. */
export function activationRecord(graph: Graph, generator: object): ObjectRecord {
  const record = describe(graph, generator, graph.heap.nodeOf(generator));
  return graph.finish(record, generator);
}

/** The id of an activation that no value refers to: what an asynchronous function leaves at an `await`. */
export function hiddenActivation(graph: Graph, node: number): number {
  const live = graph.heap.liveOf(node) as object;
  graph.activations.add(live);
  return graph.id(live, 'a suspended function');
}

function describe(graph: Graph, generator: object, node: number): ActivationRecord {
  const { fields, location } = graph.inspection.internals(generator);
  const fn = fields.get('[[GeneratorFunction]]') as object;
  const state = fields.get('[[GeneratorState]]') as string;
  const isAsync = Object.getPrototypeOf(generator) === null;
  // Nothing is left of it, be it of the program's or of a rebuild's.
  if (state === 'closed' && !isAsync) {
    const waits = types.isAsyncFunction(fn);
    if (waits && hasRequests(graph, node))
      throw graph.refuse('an asynchronous generator that is being closed', { passing: true });
    return { ...nothing, kind: waits ? 'asyncGenerator' : 'generator' };
  }
  const resumed = resumedState(graph, fn);
  const origin = resumed?.origin ?? fn;
  const top = graph.modules.placeOf(graph.idOf(generator) ?? 0, node, resumed?.origin);
  const place = top ?? graph.scripts.placeOf(origin);
  if (!isFunction(place.node)) throw graph.refuse('suspended in an unknown place');
  const { async, generator: yields } = place.node;
  const kind = yields ? (async ? 'asyncGenerator' : 'generator') : 'async';
  const record: ActivationRecord = { ...nothing, kind, locals: {}, iterators: {} };
  if (isAsync !== (kind === 'async')) throw graph.refuse('suspended in an unknown place');
  if (state === 'running') throw graph.refuse('running', { passing: true });
  if (top !== undefined) record.module = top.script.index;
  record.receiver = graph.value(fields.get('[[GeneratorReceiver]]'), 'this');
  const text = graph.natives.script(fn) ?? '';
  const at = offsetOf(text, (location?.line ?? 0) + headLines(text), location?.column ?? 0);
  const offset = originalOffset(graph, fn, at);
  // One that has not begun stands before its body; what a rebuild made begins with a variable of the rebuild's.
  const begun =
    resumed === undefined
      ? offset > place.node.body.start
      : at > text.indexOf(`let ${names.flag}`, graph.natives.position(fn));
  const target = begun ? findTarget(place.node, offset) : undefined;
  if (begun && target === undefined) throw graph.refuse('suspended in an unknown place');
  if (target?.type === 'ForOfStatement' && offset === target.start)
    throw notResumable(place, target, 'while it waits for the end of a loop');
  record.state = begun ? 'suspended' : 'start';
  const own = ownContexts(graph, node, fn, place, target ?? place.node.body);
  record.context = own.context;
  const isOfCore = resumed === undefined && place.script.kind === 'core';
  if (isOfCore) record.fn = coreActivation(graph, place, own.outer);
  else if (top === undefined) record.fn = graph.value(origin, 'function');
  if (resumed !== undefined && top === undefined) needOfCore(graph, place, own.outer);
  const nodes = registerNodes(graph, node);
  // The top level of a module cannot be compiled alone.
  const isAlone = top === undefined || resumed !== undefined;
  const view: ActivationView = {
    isUnchanged: (each) => isUnchanged(graph, each, place, own, nodes),
    canKeep: isAlone && graph.hidden.probe !== undefined,
  };
  let plan = resumption(graph, place, target, view);
  record.at = plan.target.start;
  try {
    const isNeeded = plan.kept.length > 0 || plan.iterators.length > 0;
    if (view.canKeep === true && isNeeded) {
      const compiled = compiledOf(graph, fn, place);
      if (compiled === undefined) throw new NotResumable(`inside ${plan.inside}`);
      const registers = new Registers(graph, generator, nodes, place, plan, compiled);
      const completions = keepValues(graph, record, plan, registers, place);
      placeIterators(
        graph,
        record,
        plan,
        registers,
        kind === 'asyncGenerator' && hasRequests(graph, node),
      );
      if (completions.size > 0) {
        const completion = (each: AnyNode): Completion => completions.get(each) ?? 'throw';
        plan = resumption(graph, place, target, { ...view, completion });
      }
    } else guessIterators(graph, record, plan, own, nodes, place);
    requireText(place, place.node, plan, record.state);
  } catch (error) {
    if (!(error instanceof NotResumable)) throw error;
    throw notResumable(place, target ?? place.node, error.message);
  }
  // The variables of one that has moved and not begun are where the rebuild left them for it to begin with.
  const left = begun ? undefined : resumed?.v;
  for (const key of plan.locals) {
    record.locals[key] =
      left === undefined ? own.local(key) : graph.value(left[key], key.replace(/@.*/, ''));
  }
  if (own.values.has('arguments')) {
    const args = own.values.get('arguments');
    if (typeof args === 'object' && args !== null) {
      record.args = Array.from(args as ArrayLike<unknown>).map((each, index) =>
        graph.value(each, `argument ${index}`),
      );
    }
  }
  if (record.kind === 'async' && top === undefined) {
    const promise = promiseOf(graph, node);
    if (promise !== undefined) record.promise = graph.id(promise, 'promise');
  }
  if (record.kind === 'asyncGenerator') {
    describeRequests(graph, record, generator, node);
    if (begun && target?.type !== 'YieldExpression' && record.promise === undefined)
      throw graph.refuse('at work for somebody who is not known', { passing: true });
    const isDelegate = target?.type === 'YieldExpression' && target.delegate;
    if (isDelegate && record.mode === 'return')
      throw notResumable(place, target, 'while what it delegates to returns');
    if (target?.type === 'YieldExpression' && !isDelegate && record.promise !== undefined)
      record.returns = 1;
  }
  return record;
}

/** Where in the script of the program a place in the script of a function is. */
function originalOffset(graph: Graph, fn: object, at: number): number {
  const mark = readOriginMark(graph.natives.script(fn) ?? '');
  if (mark === undefined) return at;
  // Where it was resumed stands generated text, right before what it stands for.
  const { length } = graph.natives.script(fn) ?? '';
  for (let offset = at; offset < length; offset += 1) {
    const original = mark.toOriginal(offset);
    if (original >= 0) return original;
  }
  return -1;
}

function resumption(
  graph: Graph,
  place: Place,
  target: AnyNode | undefined,
  view: ActivationView,
): Resumption {
  const { tree } = place.script;
  if (!isFunction(place.node)) throw graph.refuse('suspended in an unknown place');
  try {
    return target === undefined
      ? planStart(tree, place.node)
      : planResumption(tree, place.node, target, view);
  } catch (error) {
    if (!(error instanceof NotResumable)) throw error;
    throw notResumable(place, target ?? place.node, error.message);
  }
}

/** @throws {NotResumable} for what could not be compiled where the program is rebuilt */
function requireText(place: Place, fn: FunctionNode, plan: Resumption, state: string): void {
  const { before, body, after } = resumedText(place.script.tree, fn, plan, { state });
  try {
    parseGenerated(before + body.text + after);
  } catch {
    throw new NotResumable(`inside ${plan.inside}`);
  }
  if (fn.type !== 'ArrowFunctionExpression') return;
  walk(fn.body, (node) => {
    if (node.type === 'Super') throw new NotResumable("in an arrow function that uses 'super'");
    // What goes on has arguments of its own.
    if (node.type === 'Identifier' && node.name === 'arguments') {
      throw new NotResumable("in an arrow function that uses 'arguments'");
    }
    return !isFunction(node) || node.type === 'ArrowFunctionExpression';
  });
}

function notResumable(place: Place, at: AnyNode, where: string): Refusal {
  const line = place.script.source.slice(0, at.start).split('\n').length;
  return new Refusal(
    `Cannot move yet: ${describePlace(place)} is suspended at line ${line} ${where}.`,
    { hint: 'Store what is awaited in a variable of its own before it is used.', passing: true },
  );
}

/** The promise of an asynchronous function. */
function promiseOf(graph: Graph, node: number): object | undefined {
  const { snapshot } = graph.heap;
  const edge = snapshot
    .edges(node)
    .find(
      ({ type, to }) =>
        type === 'hidden' &&
        snapshot.type(to) === 'object' &&
        types.isPromise(graph.heap.liveOf(to)),
    );
  return edge === undefined ? undefined : (graph.heap.liveOf(edge.to) as object);
}
