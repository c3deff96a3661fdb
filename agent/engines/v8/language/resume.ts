import type { AnyNode } from 'acorn';
import type { Edit } from './edits.ts';
import { NotResumable } from './notResumable.ts';
import type { FunctionNode } from './parse.ts';
import { enterRoot } from './resumeExpressions.ts';
import { Plan, type Kept } from './resumePlan.ts';
import { enterStatements } from './resumeStatements.ts';
import { ownVariables } from './resumeVariables.ts';
import type { ScopeTree } from './scopes.ts';
import type { ActivationView } from './stable.ts';

/** How an activation is made to stand again where it stood. */
export interface Resumption {
  readonly target: AnyNode;
  readonly edits: readonly Edit[];
  /** Variables of the function's own scope that no closure shares, by key. */
  readonly own: readonly (readonly [name: string, key: string])[];
  /** Keys of all variables whose values it asks for. */
  readonly locals: ReadonlySet<string>;
  /** Loops and delegations on the way, outermost first, by the offset under which their iterators are kept. */
  readonly iterators: readonly AnyNode[];
  /** Values without a name that it asks for. */
  readonly kept: readonly Kept[];
  /** The expression that it stands in, for people. */
  readonly inside: string;
}

/** @throws {NotResumable} saying where it stands, to be put behind "is suspended at line 7" */
export function planResumption(
  tree: ScopeTree,
  fn: FunctionNode,
  target: AnyNode,
  view: ActivationView,
): Resumption {
  const plan = new Plan(tree, fn, target, view);
  ownVariables(plan);
  if (fn.body.type === 'BlockStatement') enterStatements(plan, fn.body.body, true);
  else enterRoot(plan, fn.body);
  // A way that leads past it (through a pattern, or the head of a class) is not known.
  if (!plan.isEntered) throw new NotResumable(`inside ${plan.text(plan.root)}`);
  return resumption(plan);
}

/** For a generator that has not begun. */
export function planStart(tree: ScopeTree, fn: FunctionNode): Resumption {
  const plan = new Plan(tree, fn, fn.body, { isUnchanged: () => true });
  ownVariables(plan);
  return resumption(plan);
}

function resumption(plan: Plan): Resumption {
  const { target, edits, locals, iterators, kept } = plan;
  return {
    target,
    edits,
    own: [...plan.own],
    locals,
    iterators,
    kept,
    inside: plan.text(plan.root),
  };
}
