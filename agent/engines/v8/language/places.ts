import type { AnyNode } from 'acorn';
import { childrenOf, isFunction, type FunctionNode } from './parse.ts';
import type { Binding, Scope } from './scopes.ts';

/** The name under which a variable of an activation is kept. */
export function localKey(binding: Binding): string {
  return `${binding.name}@${binding.scope.kind}:${binding.scope.node.start}`;
}

/** True for variables that live in the function's own context when closures share them. */
export function isFunctionLevel(scope: Scope): boolean {
  return scope.kind === 'function' || scope.kind === 'parameters' || scope.kind === 'program';
}

/** The `await` or `yield` of a function nearest around an offset. */
export function findTarget(fn: FunctionNode, offset: number): AnyNode | undefined {
  let best: AnyNode | undefined;
  const visit = (node: AnyNode): void => {
    const waits =
      node.type === 'AwaitExpression' ||
      node.type === 'YieldExpression' ||
      (node.type === 'ForOfStatement' && node.await);
    if (waits && node.start <= offset && offset <= node.end) {
      if (best === undefined || node.start >= best.start) best = node;
    }
    for (const child of childrenOf(node)) if (!isFunction(child)) visit(child);
  };
  visit(fn.body);
  return best;
}
