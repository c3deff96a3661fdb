// Compiles the keeper (agent/keeper/native) as a static executable for each architecture that a compiler is here for,
// into dist/keeper/linux-<architecture>. Does nothing where the result is newer than every source.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const native = join(root, 'agent', 'keeper', 'native');
const sources = readdirSync(native)
  .filter((name) => /\.[ch]$/.test(name))
  .map((name) => join(native, name));
const preload = join(native, 'preload', 'noRing.c');
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

/** @param {string} command @param {string[]} args @param {string} cwd */
function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with exit status ${String(status)}`);
}

/** @param {string} command */
function exists(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

const warnings = ['-std=gnu17', '-Os', '-Wall', '-Wextra', '-Werror'];

/** Compiles in a folder of its own: the keeper embeds the library by a name relative to it. @param {string} prefix @param {string} target */
function compile(prefix, target) {
  const folder = mkdtempSync(join(out, 'build-'));
  try {
    const library = [
      '-shared',
      '-nostdlib',
      '-fPIC',
      '-fno-stack-protector',
      '-fvisibility=hidden',
    ];
    run(`${prefix}gcc`, [...warnings, ...library, '-o', 'noRing.so', preload], folder);
    run(`${prefix}strip`, ['noRing.so'], folder);
    const small = ['-static', '-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections'];
    const files = sources.filter((file) => file.endsWith('.c'));
    run(`${prefix}gcc`, [...warnings, ...small, '-o', 'keeper', ...files], folder);
    run(`${prefix}strip`, ['keeper'], folder);
    // Renamed into place: a build that runs at the same time never sees half a file.
    renameSync(join(folder, 'keeper'), target);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

mkdirSync(out, { recursive: true });
const newest = Math.max(...[script, preload, ...sources].map(modified));
for (const [architecture, { prefix }] of Object.entries(toolchains)) {
  const target = join(out, `linux-${architecture}`);
  if (modified(target) > newest) continue;
  if (exists(`${prefix}gcc`)) compile(prefix, target);
  else console.log(`keeper for linux-${architecture} left out: there is no ${prefix}gcc`);
}
