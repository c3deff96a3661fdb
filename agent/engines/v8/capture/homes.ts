import type { AnyNode } from 'acorn';
import type { Value } from '../capsule/format.ts';
import { homeMark } from '../language/receivers.ts';
import { childrenOf, isFunction } from '../language/parse.ts';
import type { Scope } from '../language/scopes.ts';
import type { Graph } from './graph.ts';
import type { Place } from './scripts.ts';

/** The function, outside of all arrow functions, whose `this` and `super` a scope has. */
export function receiverScope(scope: Scope): Scope {
  let owner = scope.owner;
  while (owner.isArrow && owner.parent !== undefined) owner = owner.parent.owner;
  return owner;
}

/**
 * The object whose prototype `super` begins at, as code in a scope sees it; undefined where there is no `super`.
 * V8 keeps it in the context of the class or literal.
 * @param node the innermost context of that code
 */
export function homeOf(graph: Graph, node: number, scope: Scope): Value | undefined {
  const owner = receiverScope(scope);
  if (!owner.usesSuper) return undefined;
  const home = homeNode(graph, node, isStatic(graph, owner));
  if (home === undefined) throw graph.refuse('a method with super whose home is not known');
  const marked = Reflect.getOwnPropertyDescriptor(home, homeMark)?.value as object | undefined;
  return graph.value(marked ?? home, 'super');
}

function homeNode(graph: Graph, from: number, ofClass: boolean): object | undefined {
  const { snapshot } = graph.heap;
  for (let node = from; node >= 0; node = snapshot.follow(node, 'previous')) {
    const info = snapshot.follow(node, 'scope_info');
    if (info < 0) return undefined;
    const name = ofClass ? '.static_home_object' : '.home_object';
    const names = snapshot
      .edges(info)
      .filter(({ to, type }) => type === 'hidden' && snapshot.type(to) === 'string')
      .map(({ to }) => snapshot.name(to))
      .filter((each) => each !== '');
    if (!names.includes(name)) continue;
    const held = snapshot.edges(node).filter(({ type }) => type === 'hidden');
    if (held.length !== names.length) return undefined;
    const live = graph.heap.liveOf(held[names.indexOf(name)]?.to ?? -1);
    return (typeof live === 'object' || typeof live === 'function') && live !== null
      ? live
      : undefined;
  }
  return undefined;
}

function isStatic(graph: Graph, { node }: Scope): boolean {
  if (node.type === 'StaticBlock') return true;
  const member =
    node.type === 'PropertyDefinition'
      ? node
      : graph.scripts.all
          .map(({ tree }) => tree.parents.get(node))
          .find((each) => each !== undefined);
  return (
    (member?.type === 'MethodDefinition' || member?.type === 'PropertyDefinition') && member.static
  );
}

/** Whether an arrow function calls the parent of the class in whose constructor it stands. */
export function callsParent({ node }: Place): boolean {
  const calls = (each: AnyNode): boolean =>
    (each.type === 'CallExpression' && each.callee.type === 'Super') ||
    childrenOf(each).some((child) => {
      const isOther = isFunction(child) && child.type !== 'ArrowFunctionExpression';
      return !isOther && calls(child);
    });
  return node.type === 'ArrowFunctionExpression' && calls(node);
}
