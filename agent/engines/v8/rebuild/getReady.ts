import { existsSync, writeFileSync } from 'node:fs';
import { isPublicModule } from '../capsule/builtins.ts';
import { readAdvance } from '../capsule/advance.ts';
import { lineStarts } from '../language/positions.ts';
import { readTree, type Trees } from '../language/readTree.ts';
import { needModule } from '../hosts/loaded.ts';
import { collector } from '../collector.ts';
import { nodesOf } from './functionNodes.ts';

/** Files by which a process that is started before its program stands still is told how far that is. */
export interface Readiness {
  /** What the program tells of itself while it still runs. */
  readonly advance: string;
  /** Written when everything is ready for the capsule. */
  readonly ready: string;
  /** There when the program has ended where it was, and may go on here, where no {@link RestoreHold} says that. */
  readonly go?: string;
}

/** How often is looked for a file, in ms. */
const lookInterval = 1;
const never = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread until there is a file. Ends the process with the one that started it. */
export function waitFor(file: string): void {
  const { ppid } = process;
  while (!existsSync(file)) {
    if (process.ppid !== ppid) process.kill(process.pid, 'SIGKILL');
    Atomics.wait(never, 0, 0, lookInterval);
  }
}

/**
 * Does what can be done without the capsule.
 * @param practise given the scripts that have been read
 * @returns these
 */
export function getReady({ advance, ready }: Readiness, practise: (read: Trees) => void): Trees {
  const trees: Trees = new Map();
  waitFor(advance);
  const { scripts, modules } = readAdvance(advance);
  for (const id of modules.filter(isPublicModule)) needModule(id);
  for (const { kind, source } of scripts) {
    try {
      nodesOf(readTree(trees, source, kind));
      lineStarts(source);
    } catch {
      // Nothing of it may be in the capsule; what is will be met again.
    }
  }
  practise(trees);
  // What has been read is there to stay: no collection is to come upon it when the program waits.
  collector()();
  writeFileSync(ready, '', { mode: 0o600 });
  return trees;
}
