import type { Scope, ScopeTree } from '../language/scopes.ts';
import { isFunction } from '../language/parse.ts';
import { evaluatedTree } from '../language/readTree.ts';
import { contextCounts } from './contextAddresses.ts';
import type { Graph } from './graph.ts';
import { Refusal } from './refusal.ts';
import type { Inside, Script } from './scripts.ts';

/**
 * Where the code of a direct `eval` stands. V8 keeps with its script which function has evaluated it; which of the calls
 * in that function it was, if that makes a difference, follows from the variables that are seen.
 * @param tree the scopes of the code alone
 * @returns undefined for code that sees nothing but the global scope
 * @throws {Refusal} when it cannot be told
 */
export function insideOf(
  graph: Graph,
  f: object,
  source: string,
  tree: ScopeTree,
): Inside | undefined {
  const node = tree.byPosition.get(graph.natives.position(f));
  const around = node === undefined ? undefined : tree.around.get(node);
  if (node === undefined || around === undefined) return undefined;
  const { memory } = graph.heap;
  const seen = memory?.chain(f)?.length;
  if (seen !== undefined && contextCounts(around)?.includes(seen) === true) return undefined;
  const { snapshot } = graph.heap;
  const closure = graph.heap.nodeOf(f);
  const chain = graph.contexts.chain(snapshot.follow(closure, 'context'));
  if (graph.contexts.fits(chain, undefined, around)) return undefined;
  const evaluator = evaluatorOf(graph, closure);
  const sites = evaluator === undefined ? [] : sitesOf(evaluator);
  const found = new Set<Scope>();
  for (const scope of sites) {
    const own = evaluatedTree(source, scope);
    const from = own.around.get(own.byPosition.get(graph.natives.position(f)) ?? own.root.node);
    if (from !== undefined && graph.contexts.fits(chain, evaluator?.script, from)) found.add(scope);
  }
  const [scope, other] = [...found];
  if (evaluator === undefined || scope === undefined || other !== undefined) {
    throw new Refusal('Where code from eval stands could not be told.', {
      hint: 'Code that is made at run time (eval, with) cannot be carried in every place.',
    });
  }
  const { root, references } = evaluatedTree(source, scope);
  for (const binding of references.values()) {
    if (binding?.kind === 'arguments' && binding.scope.top !== root)
      throw new Refusal('Code from eval uses the arguments of the function that called it.');
  }
  const declared = [...root.bindings.values()];
  if (!root.strict && declared.some(({ kind }) => kind === 'var' || kind === 'function')) {
    throw new Refusal('Code from eval has declared variables of the function that called it.');
  }
  return { script: evaluator.script, scope };
}

interface Evaluator {
  readonly script: Script;
  /** The name of the function; undefined when it is the top level of its script, or has none. */
  readonly name: string | undefined;
}

/** Who has evaluated the script of a closure. */
function evaluatorOf(graph: Graph, closure: number): Evaluator | undefined {
  const { heap } = graph;
  const { snapshot } = heap;
  const script = heap.scriptOf(closure)?.node ?? -1;
  const shared = snapshot
    .edges(script)
    .find(({ type, to }) => type === 'hidden' && heap.scriptOfShared(to) >= 0)?.to;
  if (shared === undefined) return undefined;
  const beside = heap.closureOf(heap.scriptOfShared(shared));
  if (beside === undefined) return undefined;
  const name = snapshot.name(shared);
  return {
    script: graph.scripts.placeOf(beside).script,
    name: name === '' || name.startsWith('(') ? undefined : name,
  };
}

/** The scopes in which a function may have called `eval`. */
function sitesOf({ script, name }: Evaluator): Set<Scope> {
  const found = new Set<Scope>();
  for (const { node, scope } of script.tree.evaluations) {
    let at = script.tree.parents.get(node);
    while (at !== undefined && !isFunction(at)) at = script.tree.parents.get(at);
    if (name === undefined || at?.id == null || at.id.name === name) found.add(scope);
  }
  return found;
}
