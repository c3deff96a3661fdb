import type { AnyNode } from 'acorn';
import { childrenOf, isFunction } from './parse.ts';
import { localKey } from './places.ts';
import type { Plan } from './resumePlan.ts';
import type { Scope } from './scopes.ts';

/** Parameters, `var` and functions at the top; `var` of shared variables becomes an assignment wherever it stands. */
export function ownVariables(plan: Plan): void {
  const scopes = new Set<Scope>();
  for (const kind of ['parameters', 'function', 'program']) {
    const scope = plan.tree.byKey.get(`${kind}:${plan.fn.start}:${plan.fn.end}`);
    if (scope !== undefined) scopes.add(scope);
  }
  for (const scope of scopes) {
    for (const binding of scope.bindings.values()) {
      if (binding.captured || binding.kind === 'arguments' || binding.kind === 'self') continue;
      if (['parameter', 'var', 'function'].includes(binding.kind)) {
        const key = localKey(binding);
        plan.own.set(binding.name, key);
        plan.locals.add(key);
      }
    }
  }
  const statements = plan.fn.body.type === 'BlockStatement' ? plan.fn.body.body : [];
  for (const each of statements) {
    if (each.type === 'FunctionDeclaration') plan.blank(each);
  }
  const visit = (node: AnyNode): void => {
    if (isFunction(node)) return;
    if (node.type === 'VariableDeclaration' && node.kind === 'var') assignInstead(plan, node);
    for (const child of childrenOf(node)) visit(child);
  };
  for (const each of statements) visit(each);
}

/** A declaration of variables that are declared elsewhere. */
function assignInstead(plan: Plan, node: Extract<AnyNode, { type: 'VariableDeclaration' }>): void {
  const parent = plan.tree.parents.get(node);
  const isTarget = parent?.type === 'ForInStatement' || parent?.type === 'ForOfStatement';
  const [first] = node.declarations;
  if (first === undefined) return;
  plan.put(node.start, first.start, isTarget && parent.left === node ? '' : ';'.slice(1));
  for (const { id, init, start, end } of node.declarations) {
    if (init == null) {
      if (!(isTarget && parent.left === node)) plan.put(start, end, '0');
    } else if (id.type === 'ObjectPattern' || id.type === 'ArrayPattern') {
      plan.put(start, start, '(');
      plan.close(end, ')');
    }
  }
}
