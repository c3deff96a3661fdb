// Compiles the keeper (agent/keeper/native) as a static executable for each architecture that a compiler is here for,
// into dist/keeper/linux-<architecture>. Does nothing where the result is newer than every source.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const sources = join(root, 'agent', 'keeper', 'native');
const out = join(root, 'dist', 'keeper');

/** A toolchain per architecture; the machine's own compiler serves its own architecture. */
const toolchains = {
  x64: { prefix: process.arch === 'x64' ? '' : 'x86_64-linux-gnu-' },
  arm64: { prefix: process.arch === 'arm64' ? '' : 'aarch64-linux-gnu-' },
};

/** Modification time in ms, 0 where the file is missing. @param {string} path */
function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with exit status ${String(status)}`);
}

/** @param {string} command */
function exists(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

const files = readdirSync(sources).map((name) => join(sources, name));
const newest = Math.max(...[script, ...files].map(modified));
for (const [architecture, { prefix }] of Object.entries(toolchains)) {
  const target = join(out, `linux-${architecture}`);
  if (modified(target) > newest) continue;
  if (!exists(`${prefix}gcc`)) {
    console.log(`keeper for linux-${architecture} left out: there is no ${prefix}gcc`);
    continue;
  }
  mkdirSync(out, { recursive: true });
  // Renamed into place: a build that runs at the same time never sees half a file.
  const temporary = `${target}.${process.pid}.tmp`;
  run(`${prefix}gcc`, [
    '-static',
    '-Os',
    '-std=gnu17',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-ffunction-sections',
    '-fdata-sections',
    '-Wl,--gc-sections',
    '-o',
    temporary,
    ...files.filter((file) => file.endsWith('.c')),
  ]);
  run(`${prefix}strip`, [temporary]);
  renameSync(temporary, target);
}
