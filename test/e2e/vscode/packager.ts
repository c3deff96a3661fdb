import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../support/provisioned.ts';
import { skip } from '../../support/skip.ts';

/** Runs the packager in the root of the clone; gives what it prints. */
export function vsce(...args: readonly string[]): string {
  const program = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
  const ended = spawnSync(process.execPath, [program, ...args], { cwd: root, encoding: 'utf8' });
  assert.equal(ended.status, 0, ended.stdout + ended.stderr);
  return ended.stdout;
}

/** Makes the package that people install; skips where the bundles were not built. */
export function packExtension(context: Mocha.Context, path: string): void {
  const missing = ['extension.cjs', 'cli.cjs', 'agent.cjs'].filter(
    (name) => !existsSync(join(root, 'dist', name)),
  );
  if (missing.length > 0) skip(context, `${missing.join(', ')} not built`);
  const plain = ['--no-dependencies', '--allow-missing-repository', '--no-rewrite-relative-links'];
  vsce('package', ...plain, '--out', path);
}
