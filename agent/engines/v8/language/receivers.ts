import type { AnyNode } from 'acorn';
import type { Edit } from './edits.ts';
import { childrenOf, isFunction } from './parse.ts';

/** The variable that stands for `new.target` in arrow functions that are made again: as long as that, so that nothing moves. */
export const newTargetName = '$flickNewT';

/** Puts the variable in its place wherever an arrow function has `new.target` from around it. */
export function newTargetEdits(arrow: AnyNode): Edit[] {
  const edits: Edit[] = [];
  const visit = (node: AnyNode): void => {
    if (node.type === 'MetaProperty' && node.meta.name === 'new') {
      const text = newTargetName.padEnd(node.end - node.start);
      edits.push({ start: node.start, end: node.end, text });
    }
    for (const child of childrenOf(node)) {
      if (!isFunction(child) || child.type === 'ArrowFunctionExpression') visit(child);
    }
  };
  if (arrow.type === 'ArrowFunctionExpression') visit(arrow);
  return edits;
}

/** The property by which an object that stands for another as the home of methods says which. */
export const homeMark = '$flickOf';
