import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { ScriptKind } from '../language/parse.ts';

/** What a program tells of itself while it still runs, so that a fresh process can get ready for it. */
export interface Advance {
  /** Version of its Node.js. */
  readonly node: string;
  readonly scripts: readonly { readonly kind: ScriptKind; readonly source: string }[];
  /** Modules of Node.js that it has loaded. */
  readonly modules: readonly string[];
}

/** Its file gets its name when it is complete. */
export function writeAdvance(file: string, advance: Advance): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(advance), { mode: 0o600, flag: 'wx' });
  renameSync(temporary, file);
}

/** Nothing depends on what it says: a file that is none is as good as an empty one. */
export function readAdvance(file: string): Advance {
  try {
    const { node, scripts, modules } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Advance>;
    return {
      node: typeof node === 'string' ? node : '',
      scripts: (scripts ?? []).filter(({ source }) => typeof source === 'string'),
      modules: (modules ?? []).filter((each) => typeof each === 'string'),
    };
  } catch {
    return { node: '', scripts: [], modules: [] };
  }
}
