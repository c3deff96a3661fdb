import type { AnyNode } from 'acorn';
import { childrenOf, isClass, isFunction } from './parse.ts';

/** The ways in which a statement may be left besides at its end and by an error. */
export interface Exits {
  /** By `return`, or by one that a `yield` is answered with. */
  readonly mayReturn: boolean;
  /** To a statement around it. */
  readonly mayJump: boolean;
}

/** Of a `try` before its `finally`. */
export function exitsOf(node: AnyNode): Exits {
  if (node.type !== 'TryStatement') return { mayReturn: false, mayJump: false };
  let mayReturn = false;
  let mayJump = false;
  const visit = (
    at: AnyNode,
    labels: readonly string[],
    loop: boolean,
    breakable: boolean,
  ): void => {
    if (isFunction(at) || isClass(at)) return;
    if (at.type === 'ReturnStatement' || at.type === 'YieldExpression') mayReturn = true;
    if (at.type === 'BreakStatement' || at.type === 'ContinueStatement') {
      const within = at.type === 'BreakStatement' ? breakable : loop;
      mayJump ||= at.label == null ? !within : !labels.includes(at.label.name);
    }
    const inner = at.type === 'LabeledStatement' ? [...labels, at.label.name] : labels;
    const isLoop = /^(For|ForIn|ForOf|While|DoWhile)Statement$/.test(at.type);
    for (const child of childrenOf(at)) {
      visit(child, inner, loop || isLoop, breakable || isLoop || at.type === 'SwitchStatement');
    }
  };
  visit(node.block, [], false, false);
  if (node.handler != null) visit(node.handler, [], false, false);
  return { mayReturn, mayJump };
}
