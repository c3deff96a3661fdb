import { parseScript, type ScriptKind } from './parse.ts';
import { ScopeTree } from './scopes.ts';

/** Scripts that have been read, by kind and source. */
export type Trees = Map<string, ScopeTree>;

/** The scopes of a source, which is read once. @throws {SyntaxError} */
export function readTree(trees: Trees, source: string, kind: ScriptKind): ScopeTree {
  const key = `${kind} ${source}`;
  const known = trees.get(key);
  if (known !== undefined) return known;
  const tree = new ScopeTree(source, parseScript(source, kind), kind);
  trees.set(key, tree);
  return tree;
}
