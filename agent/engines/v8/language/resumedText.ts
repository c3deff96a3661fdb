import { applyEdits, type Edit } from './edits.ts';
import { bodyEdits } from './moduleBody.ts';
import type { Unit } from './origin.ts';
import type { FunctionNode } from './parse.ts';
import type { Resumption } from './resume.ts';
import { names } from './resumePlan.ts';
import type { ScopeTree } from './scopes.ts';

/** The text of a function that goes on where an activation stands, around what of it is the script's own. */
export interface ResumedText {
  readonly before: string;
  /** Offset in the script at which the body begins. */
  readonly start: number;
  readonly body: Unit;
  readonly after: string;
}

/**
 * An expression that takes the state of the activation; a prologue instead of the usual one may be given. It gives the function itself for an arrow function, which has its
 * `this` from around it; else an object with a method, which may use `super`.
 */
export function resumedText(
  tree: ScopeTree,
  fn: FunctionNode,
  plan: Resumption,
  {
    state,
    prologue,
    edits = [],
  }: { readonly state: string; readonly prologue?: string; readonly edits?: readonly Edit[] },
): ResumedText {
  const isExpression = fn.body.type !== 'BlockStatement';
  const { start, end } = isExpression
    ? fn.body
    : { start: fn.body.start + 1, end: fn.body.end - 1 };
  const own = plan.own.map(([name, key]) =>
    key === '' ? `let ${name};` : `var ${name} = ${names.state}.v[${JSON.stringify(key)}];`,
  );
  const isSuspended = state === 'suspended';
  const waits = prologue ?? (isSuspended && fn.async ? `await ${names.state}.gate; ` : '');
  const strict = tree.scopeOf.get(fn)?.strict === true ? "'use strict'; " : '';
  // Named in any case: by the state that it sees, a function that goes on is known when it moves again.
  const flag = `let ${names.flag} = (${names.state}, ${String(isSuspended)});`;
  const first = `${strict}${flag} ${waits}${own.join(' ')}`;
  const opens = isExpression ? `{ ${first}return (` : `{ ${first}`;
  const closes = isExpression ? '); }' : '}';
  const body = applyEdits(tree.source, start, end, [
    ...plan.edits,
    ...bodyEdits(tree, fn),
    ...edits,
  ]);
  const async = fn.async ? 'async ' : '';
  if (fn.type === 'ArrowFunctionExpression') {
    return {
      before: `((${names.state}) => ${async}() => ${opens}`,
      start,
      body,
      after: `${closes})`,
    };
  }
  const method = `${async}${fn.generator ? '*' : ''}${JSON.stringify(fn.id?.name ?? 'resumed')}`;
  return {
    before: `(function (${names.state}) { return ({ ${method}() ${opens}`,
    start,
    body,
    after: `${closes} }); })`,
  };
}
