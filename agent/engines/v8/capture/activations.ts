import type { AnyNode } from 'acorn';
import type { ActivationRecord, ObjectRecord, Value } from '../capsule/format.ts';
import { findTarget, isFunctionLevel, localKey } from '../language/places.ts';
import { planResumption, planStart, type Resumption } from '../language/resume.ts';
import type { ActivationView } from '../language/stable.ts';
import { NotResumable } from '../language/notResumable.ts';
import { headLines, readOriginMark, type ResumedState } from '../language/origin.ts';
import { isFunction } from '../language/parse.ts';
import { offsetOf } from '../language/positions.ts';
import type { Scope } from '../language/scopes.ts';
import { coreActivation, needOfCore } from './coreFunctions.ts';
import type { Graph } from './graph.ts';
import { placeArrayIterator } from './iterators.ts';
import { Refusal } from './refusal.ts';
import { describePlace, type Place } from './scripts.ts';

/** Scope types of V8's scope iterator that matter here. */
const localScope = 1;
const moduleScope = 8;
const closureScope = 3;
const globalScope = 0;

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
  const record: ActivationRecord = {
    k: 'activation',
    kind: isAsync ? 'async' : asyncGenerator(graph, node) ? 'asyncGenerator' : 'generator',
    state: 'closed',
    fn: [],
    receiver: [],
    context: 0,
    at: 0,
    locals: {},
    iterators: {},
  };
  if (state === 'closed') return record;
  if (state === 'running') throw graph.refuse('running', { passing: true });
  record.receiver = graph.value(fields.get('[[GeneratorReceiver]]'), 'this');
  const resumed = resumedState(graph, fn);
  const origin = resumed?.origin ?? fn;
  const top = graph.modules.placeOf(graph.idOf(generator) ?? 0, node, resumed?.origin);
  if (top !== undefined) record.module = top.script.index;
  const place = top ?? graph.scripts.placeOf(origin);
  const text = graph.natives.script(fn) ?? '';
  const at = offsetOf(text, (location?.line ?? 0) + headLines(text), location?.column ?? 0);
  const offset = originalOffset(graph, fn, at);
  if (!isFunction(place.node)) throw graph.refuse('suspended in an unknown place');
  // One that has not begun stands before its body.
  const target = findTarget(place.node, offset);
  const begun = target !== undefined && offset >= place.node.body.start;
  record.state = begun ? 'suspended' : 'start';
  const own = ownContexts(graph, node, fn, place, begun ? target : place.node.body);
  record.context = own.context;
  const isOfCore = resumed === undefined && place.script.kind === 'core';
  if (isOfCore) record.fn = coreActivation(graph, place, own.outer);
  else if (top === undefined) record.fn = graph.value(origin, 'function');
  if (resumed !== undefined && top === undefined) needOfCore(graph, place, own.outer);
  const registers = hiddenRegisters(graph, node);
  const view: ActivationView = {
    isUnchanged: (each) => isUnchanged(graph, each, place, own, registers),
  };
  const plan = resumption(graph, place, begun ? target : undefined, view);
  record.at = plan.target.start;
  for (const key of plan.locals) record.locals[key] = own.local(key);
  placeIterators(graph, record, plan, own, registers, place);
  if (own.values.has('arguments')) {
    const args = own.values.get('arguments');
    if (typeof args === 'object' && args !== null) {
      record.args = Array.from(args as ArrayLike<unknown>).map((each, index) =>
        graph.value(each, `argument ${index}`),
      );
    }
  }
  if (record.kind !== 'generator' && top === undefined) {
    const promise = promiseOf(graph, node, record.kind);
    if (promise !== undefined) record.promise = graph.id(promise, 'promise');
    if (
      record.kind === 'asyncGenerator' &&
      begun &&
      target?.type === 'YieldExpression' &&
      promise !== undefined
    ) {
      throw notResumable(place, target, 'in the middle of a yield');
    }
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

/** What a rebuild noted of the activation that a function goes on with; undefined for functions of the program. */
function resumedState(graph: Graph, fn: object): ResumedState | undefined {
  const { snapshot } = graph.heap;
  const node = snapshot.follow(snapshot.follow(graph.heap.nodeOf(fn), 'context'), '$flickA');
  if (node < 0) return undefined;
  return (graph.heap.liveOf(node) as { resumed?: ResumedState }).resumed;
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

function notResumable(place: Place, at: AnyNode, where: string): Refusal {
  const line = place.script.source.slice(0, at.start).split('\n').length;
  return new Refusal(
    `Cannot move yet: ${describePlace(place)} is suspended at line ${line} ${where}.`,
    { hint: 'Store what is awaited in a variable of its own before it is used.', passing: true },
  );
}

/** What an activation's function sees and nobody outside of it does. */
interface OwnScopes {
  readonly context: number;
  /** The one that its function was made in. */
  readonly outer: number;
  readonly values: ReadonlyMap<string, unknown>;
  local(key: string): Value;
  live(key: string): unknown;
}

function ownContexts(
  graph: Graph,
  node: number,
  fn: object,
  place: Place,
  from: AnyNode,
): OwnScopes {
  const { script } = place;
  const { snapshot } = graph.heap;
  const details: { type: number; variables: object }[] = [];
  const generator = graph.heap.liveOf(node) as object;
  for (let index = 0; index < graph.natives.scopeCount(generator); index += 1) {
    const [type, variables] = graph.natives.scope(generator, index);
    if (type === closureScope || type === globalScope) break;
    const isShown = Object.getOwnPropertyNames(variables).some(
      (name) => !name.startsWith('$flick'),
    );
    if (isShown) details.push({ type, variables });
    if (type === localScope || type === moduleScope) break;
  }
  const closureContext = snapshot.follow(graph.heap.nodeOf(fn), 'context');
  const inside = script.tree.byKey.get(`function:${place.node.start}:${place.node.end}`);
  const { root } = script.tree;
  const isModule = script.tree.scopeOf.get(place.node) === root;
  const around = isModule
    ? root
    : resumedState(graph, fn) === undefined
      ? script.tree.around.get(place.node)
      : inside;
  if (around === undefined) throw graph.refuse('suspended in an unknown place');
  const outer = graph.contexts.closure(
    fn,
    script,
    around,
    () => graph.inspection.internals(fn).scopes,
  );
  // The scopes between the place where it stands and the function itself, innermost first.
  const path: Scope[] = [];
  for (
    let at: AnyNode | undefined = from;
    at !== undefined && at !== place.node;
    at = script.tree.parents.get(at)
  ) {
    const scope = script.tree.scopeOf.get(at);
    if (scope !== undefined && at !== from) path.push(scope);
    else if (scope !== undefined && at === from && at.type !== 'FunctionExpression')
      path.push(scope);
  }
  for (const kind of ['function', 'parameters']) {
    const scope = script.tree.byKey.get(`${kind}:${place.node.start}:${place.node.end}`);
    if (scope !== undefined) path.push(scope);
  }
  const found = new Map<string, unknown>();
  const values = new Map<string, unknown>();
  let next = 0;
  for (const scope of path) {
    if (scope.bindings.size === 0) continue;
    const variables = details[next]?.variables;
    if (variables === undefined) continue;
    const shown = Object.getOwnPropertyNames(variables).filter(
      (name) => !name.startsWith('$flick'),
    );
    if (!shown.every((name) => scope.bindings.has(name) || name === 'arguments' || name === 'this'))
      continue;
    next += 1;
    for (const name of shown) {
      const binding = scope.bindings.get(name);
      let value: unknown;
      try {
        value = Reflect.get(variables, name) as unknown;
      } catch {
        continue; // Not initialized yet.
      }
      values.set(name, values.has(name) ? values.get(name) : value);
      if (binding !== undefined) found.set(localKey(binding), value);
    }
  }
  let context = outer;
  let inner = outer;
  const chain = graph.contexts.chain(snapshot.follow(node, 'context'), closureContext);
  const matched = graph.contexts.match(
    chain,
    script,
    path[0],
    isModule ? root : script.tree.around.get(place.node),
  );
  for (let index = chain.length - 1; index >= 0; index -= 1) {
    const each = chain[index] ?? -1;
    const scope = matched[index];
    if (scope === undefined) continue;
    const known = graph.contexts.indexOf(each);
    const vars: Record<string, unknown> = {};
    for (const { name } of scope.bindings.values()) {
      const binding = scope.bindings.get(name);
      if (binding !== undefined) vars[name] = found.get(localKey(binding));
    }
    const added = known ?? graph.contexts.add(each, script, scope, inner, vars);
    inner = added;
    // Those of blocks are made anew where the activation goes on: only what closures hold of them stays.
    if (isFunctionLevel(scope)) context = added;
  }
  return {
    context,
    outer,
    values,
    live: (key) => found.get(key),
    local: (key) => graph.value(found.get(key), key.replace(/@.*/, '')),
  };
}

/** The nodes in the registers of an activation. */
function hiddenRegisters(graph: Graph, node: number): Map<number, number> {
  const { snapshot } = graph.heap;
  const found = new Map<number, number>();
  const registers = snapshot.follow(node, 'parameters_and_registers');
  for (const { name, to, type } of snapshot.edges(registers)) {
    const index = Number(name);
    if (type !== 'weak' && Number.isInteger(index) && name !== 'map') found.set(index, to);
  }
  return found;
}

function placeIterators(
  graph: Graph,
  record: ActivationRecord,
  plan: Resumption,
  own: OwnScopes,
  registers: Map<number, number>,
  place: Place,
): void {
  if (plan.iterators.length === 0) return;
  const { heap } = graph;
  const candidates: object[] = [];
  for (const [index, node] of [...registers].sort(([a], [b]) => a - b)) {
    // A loop keeps its iterator's `next` and the iterator beside each other.
    const type = heap.snapshot.type(node);
    if (type !== 'object' || heap.snapshot.name(node).startsWith('system /')) continue;
    const live = heap.liveOf(node);
    if (typeof live !== 'object' || live === null) continue;
    const neighbours = [registers.get(index - 1), registers.get(index + 1)];
    const next = dataProperty(live, 'next');
    const isIterator =
      typeof next === 'function' &&
      neighbours.some(
        (each) =>
          each !== undefined &&
          heap.snapshot.type(each) === 'closure' &&
          heap.liveOf(each) === next,
      );
    // A loop that a rebuild went on with has the iterator inside of another.
    const inner = (dataProperty(live, '$flickInner') ?? live) as object;
    if (isIterator && !candidates.includes(inner)) candidates.push(inner);
  }
  if (candidates.length !== plan.iterators.length) {
    throw notResumable(place, plan.target, 'inside a loop whose iterator is not known');
  }
  plan.iterators.forEach((loop, index) => {
    const iterator = candidates[index];
    if (iterator === undefined) return;
    if (loop.type === 'ForOfStatement') {
      const left =
        loop.left.type === 'VariableDeclaration' ? loop.left.declarations[0]?.id : loop.left;
      let current: unknown;
      if (left?.type === 'Identifier') {
        const binding = place.script.tree.references.get(left);
        current = binding === undefined ? own.values.get(left.name) : own.live(localKey(binding));
      }
      if (!placeArrayIterator(graph, iterator, current)) {
        throw notResumable(
          place,
          plan.target,
          'inside a loop over an array that has the same element twice',
        );
      }
    }
    record.iterators[String(loop.start)] = graph.value(iterator, 'iterator');
  });
}

/** Whether what an expression yields now is an object that the activation holds in a register. */
function isUnchanged(
  graph: Graph,
  node: AnyNode,
  place: Place,
  own: OwnScopes,
  registers: ReadonlyMap<number, number>,
): boolean {
  const value = evaluate(graph, node, place, own);
  if (typeof value !== 'function' && (typeof value !== 'object' || value === null)) return false;
  const wanted = graph.heap.nodeOf(value);
  return wanted >= 0 && [...registers.values()].includes(wanted);
}

/** The value of names and properties, without running anything; undefined when that is not possible. */
function evaluate(graph: Graph, node: AnyNode, place: Place, own: OwnScopes): unknown {
  if (node.type === 'Identifier') {
    const binding = place.script.tree.references.get(node);
    if (binding === undefined) return dataProperty(globalThis, node.name);
    const key = localKey(binding);
    return own.live(key) ?? graph.contexts.liveValue(own.context, binding, (id) => graph.live(id));
  }
  if (node.type === 'ThisExpression') {
    return own.values.get('this');
  }
  if (node.type === 'MemberExpression' && !node.computed && node.property.type === 'Identifier') {
    const object = evaluate(graph, node.object, place, own);
    return object === null || object === undefined
      ? undefined
      : dataProperty(Object(object) as object, node.property.name);
  }
  return undefined;
}

function dataProperty(object: object, key: string): unknown {
  for (
    let at: object | null = object;
    at !== null;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    const descriptor = Reflect.getOwnPropertyDescriptor(at, key);
    if (descriptor !== undefined) return descriptor.value as unknown;
  }
  return undefined;
}

function asyncGenerator(graph: Graph, node: number): boolean {
  return graph.heap.snapshot.follow(node, 'queue') >= 0;
}

/** The promise of an asynchronous function, or of the request that an asynchronous generator works on. */
function promiseOf(graph: Graph, node: number, kind: ActivationRecord['kind']): object | undefined {
  const { snapshot } = graph.heap;
  if (kind === 'async') {
    const edge = snapshot
      .edges(node)
      .find(
        ({ type, to }) =>
          type === 'hidden' &&
          snapshot.type(to) === 'object' &&
          graph.heap.liveOf(to) instanceof Promise,
      );
    return edge === undefined ? undefined : (graph.heap.liveOf(edge.to) as object);
  }
  const request = snapshot.follow(node, 'queue');
  if (request < 0 || !/AsyncGeneratorRequest/.test(snapshot.name(request))) return undefined;
  const edges = snapshot.edges(request);
  if (edges.some(({ to }) => /AsyncGeneratorRequest/.test(snapshot.name(to)))) {
    throw new Refusal('Cannot move yet: several requests wait for an asynchronous generator.', {
      passing: true,
    });
  }
  const edge = edges.find(
    ({ to }) => snapshot.type(to) === 'object' && graph.heap.liveOf(to) instanceof Promise,
  );
  return edge === undefined ? undefined : (graph.heap.liveOf(edge.to) as object);
}
