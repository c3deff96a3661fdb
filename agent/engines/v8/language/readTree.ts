import { parseScript, type ScriptKind } from './parse.ts';
import type { ScriptRecord } from '../capsule/format.ts';
import { ScopeTree, type Scope } from './scopes.ts';

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

/** The scopes of the code of a direct `eval`. @throws {SyntaxError} */
export function evaluatedTree(source: string, around: Scope): ScopeTree {
  return new ScopeTree(source, parseScript(source, 'script'), 'script', around);
}

/** What an evaluated script stands in. @param tree of a script by its index */
export function scopeAround(
  inside: NonNullable<ScriptRecord['inside']>,
  tree: (script: number) => ScopeTree | undefined,
): Scope | undefined {
  const [script, ...key] = inside;
  return tree(script)?.byKey.get(key.join(':'));
}
