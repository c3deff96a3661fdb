import type { AnyNode } from 'acorn';
import { type ClassNode, type FunctionNode } from '../language/parse.ts';
import { textRange } from '../language/positions.ts';
import type { ScopeTree } from '../language/scopes.ts';

/** From where to where a text stands in its script. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

const nodes = new WeakMap<ScopeTree, ReadonlyMap<string, FunctionNode | ClassNode>>();

/** The function or class that shows a range as its text: of a member also the whole member. */
export function nodeAt(tree: ScopeTree, range: Range): FunctionNode | ClassNode | undefined {
  return nodesOf(tree).get(keyOf(range));
}

/** Functions and classes by what they show as their text; the first time for a script takes its time. */
export function nodesOf(tree: ScopeTree): ReadonlyMap<string, FunctionNode | ClassNode> {
  const known = nodes.get(tree);
  if (known !== undefined) return known;
  const found = new Map<string, FunctionNode | ClassNode>();
  for (const node of tree.byPosition.values()) {
    const range = textRange(tree.parents.get(node), node, tree.source);
    for (const each of [range, node]) {
      const key = keyOf(each);
      if (!found.has(key)) found.set(key, node);
    }
  }
  nodes.set(tree, found);
  return found;
}

function keyOf({ start, end }: Range): string {
  return `${start}:${end}`;
}

/** Whether a function is a member of a class or literal, which cannot stand for itself. */
export function isMethod(range: Range, node: FunctionNode, parent: AnyNode | undefined): boolean {
  return (
    range.start !== node.start ||
    parent?.type === 'MethodDefinition' ||
    (parent?.type === 'Property' &&
      parent.value === node &&
      (parent.method || parent.kind !== 'init'))
  );
}
