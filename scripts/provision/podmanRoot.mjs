import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureApt } from './apt.mjs';
import { announce, attempt, cache, fillFolder, leftOut, mustRun, ready } from './common.mjs';
import { mirrorOfThisMachine } from './debianSuite.mjs';

/** A small Debian with a Podman whose CRIU works on this kernel; entered with pivot_root. */
export const podmanRoot = join(cache, 'podman-root');

const suite = 'forky';
// Podman only recommends what it needs to check out an image, and runc.
const packages = [
  ...['podman', 'runc', 'crun', 'criu', 'iptables', 'iproute2'],
  'golang-github-containers-common',
];

/**
 * A root file system of a newer Debian, for the comparison with Podman: Debian 12's own Podman
 * calls a CRIU that does not work on current kernels.
 * @returns {Promise<import('./common.mjs').Provisioned>}
 */
export async function ensurePodmanRoot() {
  if (existsSync(join(podmanRoot, 'usr/bin/podman'))) return ready;
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return leftOut('Podman left out: only root on Linux can make its root file system');
  }
  const tool = await ensureApt(['debootstrap']);
  if (!tool.ok) return tool;
  announce(
    'Podman in .cache/podman-root',
    'the benchmark compares with it, and Debian 12 has one that calls too old a CRIU',
  );
  return attempt('Podman', () => fillFolder(podmanRoot, fill));
}

/** @param {string} folder */
async function fill(folder) {
  // In a mount namespace of its own, so that an interrupted installation leaves no mount behind.
  const alone = ['unshare', '--mount', '--propagation', 'private'];
  const options = ['--variant=minbase', `--include=${packages.join(',')}`];
  // The script of "sid": an older debootstrap does not know the names of newer suites.
  const what = [suite, folder, mirrorOfThisMachine(), 'sid'];
  await mustRun([...alone, 'debootstrap', ...options, ...what]);
  for (const surplus of ['var/cache/apt/archives', 'var/lib/apt/lists', 'usr/share/doc']) {
    rmSync(join(folder, surplus), { recursive: true, force: true });
  }
  chmodSync(folder, 0o755);
}
