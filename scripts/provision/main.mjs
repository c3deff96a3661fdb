import { ensureApt } from './apt.mjs';
import { ensureArm64Node } from './arm64.mjs';
import { ensureCriu, ensureCriuBundle, ensureOldCriu } from './criu.mjs';
import { ensureNode } from './node.mjs';
import { ensureNpmPackages } from './npmPackages.mjs';
import { ensurePodmanRoot } from './podmanRoot.mjs';
import { ensureVscodeServer } from './vscodeServer.mjs';

/**
 * All that can be made available, by the name used on the command line and by the tests.
 * @type {Record<string, () => Promise<import('./common.mjs').Provisioned>>}
 */
export const provisions = {
  npm: ensureNpmPackages,
  build: () => ensureApt(['build']),
  lab: () => ensureApt(['lab']),
  programs: () => ensureApt(['programs']),
  browser: () => ensureApt(['browser']),
  criu: ensureCriu,
  'criu-old': ensureOldCriu,
  'criu-bundle': ensureCriuBundle,
  node22: () => ensureNode(22),
  node24: () => ensureNode(24),
  node26: () => ensureNode(26),
  'node-arm64': ensureArm64Node,
  podman: ensurePodmanRoot,
  vscode: ensureVscodeServer,
};

/**
 * Makes some things available, one after the other; what cannot be had is said in one line.
 * @param {readonly string[]} names keys of {@link provisions}
 * @returns {Promise<string[]>} the reasons of what was left out
 */
export async function provision(names) {
  const reasons = [];
  for (const name of names) {
    const result = await provisions[name]();
    if (result.ok) continue;
    reasons.push(result.reason);
    process.stderr.write(`${result.reason}\n`);
  }
  return reasons;
}

if (process.argv[1] === import.meta.filename) {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !(name in provisions));
  if (names.length === 0 || unknown.length > 0) {
    process.stderr.write(`usage: provision ${Object.keys(provisions).join('|')} …\n`);
    process.exitCode = 2;
  } else {
    process.exitCode = (await provision(names)).length === 0 ? 0 : 1;
  }
}
