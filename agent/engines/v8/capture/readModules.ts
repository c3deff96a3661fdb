import { readFileSync } from 'node:fs';
import { Module } from 'node:module';
import type { Advance } from '../capsule/advance.ts';
import { readTree, type Trees } from '../language/readTree.ts';

/** How long the program is kept from its own work at a time, in ms; one long script takes longer. */
const turnMs = 8;

/**
 * Reads the modules that the program has loaded, a few in each turn of its event loop, so that it need not stand still
 * for that. A module whose file has changed since is read again when it is needed.
 * @param deadline by `performance.now()`; the rest is left then
 */
export function readModules(
  trees: Trees,
  deadline: number,
  then: (advance: Advance) => void,
): void {
  const files = Object.keys(Reflect.get(Module, '_cache') as object).filter((file) =>
    /\.c?js$/.test(file),
  );
  const scripts: Advance['scripts'][number][] = [];
  const turn = (): void => {
    const began = performance.now();
    while (files.length > 0 && performance.now() - began < turnMs) {
      try {
        const source = readFileSync(files.pop() ?? '', 'utf8').replace(/^\uFEFF/, '');
        readTree(trees, source, 'commonjs');
        scripts.push({ kind: 'commonjs', source });
      } catch {
        // What cannot be read is met again, and told of, where it matters.
      }
    }
    if (files.length > 0 && performance.now() < deadline) setImmediate(turn);
    else then({ node: process.version, scripts, modules: loadedModules() });
  };
  turn();
}

function loadedModules(): string[] {
  const { moduleLoadList } = process as unknown as { moduleLoadList: readonly string[] };
  const head = 'NativeModule ';
  return moduleLoadList
    .filter((each) => each.startsWith(head))
    .map((each) => each.slice(head.length));
}
