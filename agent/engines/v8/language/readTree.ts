import { parseScript, type ScriptKind } from './parse.ts';
import type { ScriptRecord } from '../capsule/format.ts';
import { ScopeTree, type Scope } from './scopes.ts';

/** Scripts that have been read, by kind and source. */
export type Trees = Map<string, ScopeTree>;

/** The scopes of a source, which is read once. @throws {SyntaxError} */
export function readTree(trees: Trees, source: string, kind: ScriptKind): ScopeTree {
  const key = keyOf(source, kind);
  const known = trees.get(key);
  if (known !== undefined) return known;
  const tree = new ScopeTree(source, parseScript(source, kind), kind);
  trees.set(key, tree);
  return tree;
}

/** A text that has been read already, as the very string that was read: by that it is found without being compared. */
export function sameSource(trees: Trees, source: string, kind: ScriptKind): string {
  return trees.get(keyOf(source, kind))?.source ?? source;
}

function keyOf(source: string, kind: ScriptKind): string {
  return `${kind} ${source}`;
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
