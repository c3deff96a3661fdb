// Compiles test/extension-host for the extension host, which loads CommonJS. Called by
// .vscode-test.mjs, so that every way of running the suites runs them as they are now.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, 'test', 'extension-host');
const out = join(root, '.cache', 'extension-host');

/** @returns {Promise<{ suites: readonly string[], reporter: string, workspace: string, home: string }>} absolute paths */
export async function buildExtensionHostTests() {
  rmSync(out, { recursive: true, force: true });
  const workspace = join(out, 'workspace');
  const home = join(out, 'home');
  mkdirSync(workspace, { recursive: true });
  mkdirSync(home, { recursive: true });
  const options = {
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['vscode', 'mocha'],
    outExtension: { '.js': '.cjs' },
    logLevel: 'warning',
  };
  const suites = readdirSync(sources, { recursive: true }).filter((name) =>
    name.endsWith('.suite.ts'),
  );
  await build({
    ...options,
    entryPoints: suites.map((name) => join(sources, name)),
    outbase: sources,
    outdir: join(out, 'suites'),
    sourcemap: 'inline',
  });
  await build({
    ...options,
    entryPoints: [join(sources, 'lineReporter.ts')],
    outdir: out,
    // Mocha wants the constructor itself from a reporter's module.
    footer: { js: 'module.exports = LineReporter;' },
  });
  return {
    // By name: test-cli takes absolute patterns for files.
    suites: suites.map((name) => join(out, 'suites', name.replace(/ts$/, 'cjs'))),
    reporter: join(out, 'lineReporter.cjs'),
    workspace,
    home,
  };
}
