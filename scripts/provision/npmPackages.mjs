import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { announce, attempt, mustRun, ready, root } from './common.mjs';

const wanted = join(root, 'package-lock.json');
const present = join(root, 'node_modules', '.package-lock.json');

/**
 * Makes `node_modules` what `package-lock.json` says.
 * @returns {Promise<import('./common.mjs').Provisioned>}
 */
export async function ensureNpmPackages() {
  if (isCurrent()) return ready;
  announce('npm packages', 'the lock file names packages that node_modules does not have');
  return attempt('npm packages', async () => {
    await mustRun(['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root });
  });
}

function isCurrent() {
  if (!existsSync(present)) return false;
  if (statSync(wanted).mtimeMs <= statSync(present).mtimeMs) return true;
  // npm writes both files in one go and git writes the lock file at a checkout: a newer time alone
  // is no reason to install everything again.
  const lock = readPackages(wanted);
  const installed = readPackages(present);
  const same = Object.entries(lock).every(
    ([path, entry]) =>
      path === '' || entry.optional === true || installed[path]?.version === entry.version,
  );
  if (same) utimesSync(present, new Date(), new Date());
  return same;
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}
