// Bundles the extension, the command line and the agent into one file each under dist/. A file is
// written only when its content changes, so that what watches it (a development host, an agent
// that compares hashes) is left alone by a build that changed nothing.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

/** Loaded into processes that are debugged; the agent and the second one carry the first one's text. */
const injected = [
  { entry: 'agent/debug/runtime/main.ts', out: 'debugRuntime.cjs', small: true },
  { entry: 'agent/debug/runtime/bootstrap.ts', out: 'debugBootstrap.cjs', small: true },
];

/** The parts of the portable engine that run in programs; the agent carries their texts. */
const engineParts = [
  { entry: 'agent/engines/v8/capture/main.ts', out: 'v8Capture.cjs', small: true },
  { entry: 'agent/engines/v8/rebuild/main.ts', out: 'v8Rebuild.cjs', small: true },
];

const bundles = [
  { entry: 'extension/extension.ts', out: 'extension.cjs', external: ['vscode'] },
  { entry: 'cli/main.ts', out: 'cli.cjs', executable: true },
  // Pushed over links as slow as 384 kbit/s, so its size counts; names stay for stack traces.
  { entry: 'agent/main.ts', out: 'agent.cjs', executable: true, small: true },
];

/**
 * ssh2 has two native addons that only make it faster, and asks for them inside `try`. A bundle has
 * no place for them: asking throws, and ssh2 takes its JavaScript path.
 * @type {import('esbuild').Plugin}
 */
const withoutNativeAddons = {
  name: 'without-native-addons',
  setup(context) {
    context.onResolve({ filter: /\.node$|^cpu-features$/ }, ({ path }) => ({
      path,
      namespace: 'left-out',
    }));
    context.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not part of this bundle`)});`,
    }));
  },
};

/**
 * Replaces agent/keeper/binaries.ts, which reads dist/keeper, by a module that holds the keepers.
 * @type {import('esbuild').Plugin}
 */
const withKeepers = {
  name: 'with-keepers',
  setup(context) {
    context.onLoad({ filter: /\/agent\/keeper\/binaries\.ts$/ }, () => {
      const packed = { x64: packedKeeper('x64'), arm64: packedKeeper('arm64') };
      return { contents: `export const keeperBinaries = ${JSON.stringify(packed)};` };
    });
  },
};

/**
 * Replaces agent/debug/runtimeSource.ts, which reads dist/, by a module that holds the texts.
 * @type {import('esbuild').Plugin}
 */
const withDebugRuntime = {
  name: 'with-debug-runtime',
  setup(context) {
    context.onLoad({ filter: /\/agent\/debug\/runtimeSource\.ts$/ }, () => ({
      contents:
        `export const runtimeSource = ${text('debugRuntime.cjs')};` +
        `export const bootstrapSource = ${text('debugBootstrap.cjs')};`,
    }));
  },
};

/**
 * Replaces agent/engines/v8/parts.ts, which reads dist/, by a module that holds the texts.
 * @type {import('esbuild').Plugin}
 */
const withEngineParts = {
  name: 'with-engine-parts',
  setup(context) {
    context.onLoad({ filter: /\/agent\/engines\/v8\/parts\.ts$/ }, () => ({
      contents:
        `export const captureSource = ${text('v8Capture.cjs')};` +
        `export const rebuildSource = ${text('v8Rebuild.cjs')};`,
    }));
  },
};

/** @param {string} file @returns its content as a JavaScript literal */
function text(file) {
  return JSON.stringify(readFileSync(join(dist, file), 'utf8'));
}

/** @param {'x64' | 'arm64'} architecture */
function packedKeeper(architecture) {
  const file = join(dist, 'keeper', `linux-${architecture}`);
  if (!existsSync(file)) {
    console.log(`agent.cjs has no keeper for linux-${architecture}: it was not built`);
    return undefined;
  }
  return gzipSync(readFileSync(file), { level: 9 }).toString('base64');
}

function buildKeepers() {
  const script = join(root, 'scripts', 'buildKeeper.mjs');
  if (!existsSync(script)) return;
  const { status } = spawnSync(process.execPath, [script], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${script} ended with exit status ${String(status)}`);
}

async function bundle({ entry, out, external = [], executable = false, small = false, define }) {
  if (!existsSync(join(root, entry))) {
    console.log(`${out} left out: there is no ${entry}`);
    return;
  }
  const { outputFiles } = await build({
    entryPoints: [join(root, entry)],
    outfile: join(dist, out),
    absWorkingDir: root,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external,
    minifySyntax: small,
    minifyWhitespace: small,
    keepNames: small,
    legalComments: 'eof',
    logLevel: 'warning',
    // CommonJS has no import.meta; modules that resolve files beside themselves use it.
    define: { 'import.meta.url': 'bundleUrl', 'import.meta.dirname': '__dirname', ...define },
    banner: {
      js:
        (executable ? '#!/usr/bin/env node\n' : '') +
        "const bundleUrl = require('node:url').pathToFileURL(__filename).href;",
    },
    plugins: [withoutNativeAddons, withKeepers, withDebugRuntime, withEngineParts],
  });
  for (const { path, contents } of outputFiles) write(path, contents, executable ? 0o755 : 0o644);
}

/** Writes a file whole or not at all, and not when it holds the content already. */
function write(path, contents, mode) {
  if (existsSync(path) && readFileSync(path).equals(contents)) return;
  const temporary = `${path}.${String(process.pid)}.tmp`;
  writeFileSync(temporary, contents);
  chmodSync(temporary, mode);
  renameSync(temporary, path);
  console.log(
    `dist/${path.slice(dist.length + 1)} ${String(Math.ceil(contents.length / 1024))} KiB`,
  );
}

/** CRIU for devices whose own is missing or too old: `flick device setup` pushes it from beside the bundles. */
function copyCriuBundle() {
  const name = 'criu-bundle-x64.tar.gz';
  const source = join(root, '.cache', name);
  if (existsSync(source)) write(join(dist, name), readFileSync(source), 0o644);
}

mkdirSync(dist, { recursive: true });
buildKeepers();
copyCriuBundle();
const [runtime, bootstrap] = injected;
await bundle(runtime);
await bundle({ ...bootstrap, define: { runtimeSource: text(runtime.out) } });
for (const part of engineParts) await bundle(part);
const results = await Promise.allSettled(bundles.map(bundle));
// What is wrong has been printed where it was found.
if (results.some(({ status }) => status === 'rejected')) process.exitCode = 1;
