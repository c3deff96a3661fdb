import type { AnyNode } from 'acorn';
import type { Value } from '../capsule/format.ts';
import type { ResumedState } from '../language/origin.ts';
import { isFunctionLevel, localKey } from '../language/places.ts';
import type { Binding, Scope } from '../language/scopes.ts';
import type { Graph } from './graph.ts';
import type { Place } from './scripts.ts';

/** Scope types of V8's scope iterator that matter here. */
const localScope = 1;
const moduleScope = 8;
const closureScope = 3;
const globalScope = 0;

/** What an activation's function sees and nobody outside of it does. */
export interface OwnScopes {
  readonly context: number;
  /** The one that its function was made in. */
  readonly outer: number;
  readonly values: ReadonlyMap<string, unknown>;
  local(key: string): Value;
  live(key: string): unknown;
}

export function ownContexts(
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
  const isResumed = resumedState(graph, fn) !== undefined;
  const ofFunction = isResumed ? inside : script.tree.around.get(place.node);
  const around = isModule ? root : ofFunction;
  if (around === undefined) throw graph.refuse('suspended in an unknown place');
  const outer = graph.contexts.closure(
    fn,
    place,
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
  const levels = ['function', 'parameters'].flatMap(
    (kind) => script.tree.byKey.get(`${kind}:${place.node.start}:${place.node.end}`) ?? [],
  );
  // What a rebuild made has the variables of the body and the parameters in one scope.
  const groups = [...path, ...(isResumed ? [] : levels)].map((each) => [each]);
  if (isResumed) groups.push(levels);
  path.push(...levels);
  const found = new Map<string, unknown>();
  const values = new Map<string, unknown>();
  let next = 0;
  for (const group of groups) {
    const bindingOf = (name: string): Binding | undefined =>
      group.map(({ bindings }) => bindings.get(name)).find((each) => each !== undefined);
    if (group.every(({ bindings }) => bindings.size === 0)) continue;
    const variables = details[next]?.variables;
    if (variables === undefined) continue;
    const shown = Object.getOwnPropertyNames(variables).filter(
      (name) => !name.startsWith('$flick'),
    );
    const isOfGroup = (name: string): boolean =>
      bindingOf(name) !== undefined || name === 'arguments' || name === 'this';
    if (!shown.every(isOfGroup)) continue;
    next += 1;
    for (const name of shown) {
      const binding = bindingOf(name);
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
  const areTold = next === details.length;
  let context = outer;
  let inner = outer;
  // What a rebuild made and has not begun has nothing of its own yet but what it will make anew.
  const isFresh = isResumed && from === place.node.body;
  const chain = isFresh
    ? []
    : graph.contexts.chain(snapshot.follow(node, 'context'), closureContext);
  const matched = graph.contexts.match(chain, script, path[0], around);
  // V8 looks for the parameters in the context of the body, which is there before the body begins.
  if (from === place.node.body && matched.length > 1 && matched.at(-1)?.kind === 'parameters')
    throw graph.refuse('a generator that has not begun and shares parameters and variables');
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
    local(key) {
      if (!areTold && !found.has(key)) {
        throw graph.refuse('suspended where its variables cannot be told apart', { passing: true });
      }
      return graph.value(found.get(key), key.replace(/@.*/, ''));
    },
  };
}

/** What a rebuild noted of the activation that a function goes on with; undefined for functions of the program. */
export function resumedState(graph: Graph, fn: object): ResumedState | undefined {
  const { snapshot } = graph.heap;
  const node = snapshot.follow(snapshot.follow(graph.heap.nodeOf(fn), 'context'), '$flickA');
  if (node < 0) return undefined;
  return (graph.heap.liveOf(node) as { resumed?: ResumedState }).resumed;
}
