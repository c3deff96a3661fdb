import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { announce, attempt, cache, fillFolder, mustRun } from './common.mjs';
import { ensureNode, unpackNpmPackage } from './node.mjs';

const version = '4.139.1';
/** Raised when the recipe below changes, so that a server made by an earlier one is replaced. */
const recipe = 3;

/** The folder of the server; start `out/server-main.js` in it with Node 24. */
export const vscodeServerFolder = join(cache, 'vscode-server');
const doneMark = join(vscodeServerFolder, `.ready-${version}-${String(recipe)}`);

// Big, or talk to the network, or of no use without an account. Those in the web bundle's own list
// (git-base, github-authentication, typescript-language-features) must stay: the window reports
// each one it misses. So must js-debug, which debugs Node.js.
const unusedExtensions = [
  'copilot',
  'git',
  'github',
  'mermaid-markdown-features',
  'microsoft-authentication',
  'ms-vscode.js-debug-companion',
  'ms-vscode.vscode-js-profile-table',
  'tunnel-forwarding',
];

// Features that the tests do not touch, most of them with native code.
const unusedDependencies = [
  '@devcontainers/cli',
  '@github/copilot-sdk',
  '@microsoft/mxc-sdk',
  '@vscode/copilot-api',
  '@vscode/fs-copyfile',
  '@vscode/sandbox-runtime',
  '@vscode/sqlite3',
  '@vscode/windows-process-tree',
  '@vscode/windows-registry',
  'kerberos',
  'ssh2',
  'tar',
  'zod',
];

/**
 * The VS Code server (web workbench and Node extension host) that comes in the `code-server`
 * package, made runnable without a compiler, and the Node 24 that it needs.
 * @returns {Promise<import('./common.mjs').Provisioned>}
 */
export async function ensureVscodeServer() {
  const node = await ensureNode(24, 'the VS Code server for the tests needs it');
  if (!node.ok || existsSync(doneMark)) return node;
  announce('the VS Code server in .cache/vscode-server', 'the extension is tested in a real one');
  return attempt('the VS Code server', () => fillFolder(vscodeServerFolder, fill));
}

/** @param {string} folder */
async function fill(folder) {
  const inPackage = 'package/lib/vscode';
  const excludes = unusedExtensions.map((name) => `--exclude=${inPackage}/extensions/${name}`);
  await unpackNpmPackage(`code-server@${version}`, folder, [
    '--strip-components=3',
    '--exclude=*.map',
    ...excludes,
    inPackage,
  ]);
  const manifestFile = join(folder, 'package.json');
  const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
  const needed = Object.entries(manifest.dependencies).filter(
    ([name]) => !unusedDependencies.includes(name),
  );
  const slim = { ...manifest, dependencies: Object.fromEntries(needed), overrides: undefined };
  writeFileSync(manifestFile, JSON.stringify(slim));
  const options = ['--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await mustRun(['npm', 'install', ...options], { cwd: folder });
  replaceNativeParts(folder);
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, `.ready-${version}-${String(recipe)}`), '');
}

/** @param {string} folder */
function replaceNativeParts(folder) {
  const modules = join(folder, 'node_modules');
  const here = dirname(fileURLToPath(import.meta.url));
  const spdlog = join(modules, '@vscode', 'spdlog');
  for (const part of ['deps', 'src', 'build']) {
    rmSync(join(spdlog, part), { recursive: true, force: true });
  }
  copyFileSync(join(here, 'vscodeSpdlog.cjs'), join(spdlog, 'index.js'));
  // Ends an orphaned extension host; the host itself watches its parent as well.
  writeFileSync(
    join(modules, '@vscode', 'native-watchdog', 'index.js'),
    'exports.start = () => {};\n',
  );
  for (const prebuilt of ['@vscode/ripgrep-universal/bin', 'node-pty/prebuilds']) {
    const at = join(modules, prebuilt);
    if (!existsSync(at)) continue;
    for (const name of readdirSync(at)) {
      if (name !== `linux-${process.arch}`) rmSync(join(at, name), { recursive: true });
    }
  }
  // Reports to its telemetry server even with telemetry off.
  const authentication = join(folder, 'extensions', 'github-authentication', 'dist');
  for (const file of ['extension.js', join('browser', 'extension.js')]) {
    const script = join(authentication, file);
    if (existsSync(script)) writeFileSync(script, 'exports.activate = () => {};\n');
  }
}
