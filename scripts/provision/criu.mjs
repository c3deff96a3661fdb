import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { announce, attempt, cache, fillFolder, leftOut, mustRun, ready } from './common.mjs';
import { unpackFromSuite } from './debianSuite.mjs';

/** Folders with a relocatable CRIU; the program to call is `criu` in each. */
export const criuFolder = join(cache, 'criu');
export const oldCriuFolder = join(cache, 'criu-old');
/** The archive of {@link criuFolder} that is pushed to devices whose own CRIU is too old. */
export const criuBundle = join(cache, 'criu-bundle-x64.tar.gz');

const loaders = { x64: 'ld-linux-x86-64.so.2', arm64: 'ld-linux-aarch64.so.1' };
const triplets = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/**
 * A CRIU that works on this kernel. From Linux 6.16 on that takes CRIU 4.2, which Debian has from
 * forky on; it is unpacked with its own libc and run by its own loader, nothing is installed.
 * @returns {Promise<import('./common.mjs').Provisioned>}
 */
export async function ensureCriu() {
  if (existsSync(join(criuFolder, 'criu'))) return ready;
  const refusal = refuseOtherMachines();
  if (refusal !== undefined) return refusal;
  announce('CRIU in .cache/criu', 'kernels from 6.16 on need CRIU 4.2, newer than Debian 12 has');
  return attempt('CRIU', async () => {
    await fillFolder(criuFolder, (folder) => fill(folder, 'forky'));
    await mustRun([join(criuFolder, 'criu'), '--version']);
    // Needs root, and says whether this kernel has all that CRIU must have.
    if (process.getuid?.() === 0) await mustRun([join(criuFolder, 'criu'), 'check']);
  });
}

/**
 * Debian 12's own CRIU 3.17, which does not work on current kernels: for the test that such a one
 * is refused with the right sentence.
 * @returns {Promise<import('./common.mjs').Provisioned>}
 */
export async function ensureOldCriu() {
  if (existsSync(join(oldCriuFolder, 'criu'))) return ready;
  const refusal = refuseOtherMachines();
  if (refusal !== undefined) return refusal;
  announce('CRIU 3.17 in .cache/criu-old', 'a test needs a CRIU that is too old');
  return attempt('CRIU 3.17', async () => {
    await fillFolder(oldCriuFolder, (folder) => fill(folder, 'bookworm', /^(lib)?python3/));
    await mustRun([join(oldCriuFolder, 'criu'), '--version']);
  });
}

/**
 * The archive of the provisioned CRIU, made when it is first asked for.
 * @returns {Promise<import('./common.mjs').Provisioned>}
 */
export async function ensureCriuBundle() {
  if (process.arch !== 'x64') return leftOut('CRIU bundle left out: it is made on x64 only');
  if (existsSync(criuBundle)) return ready;
  const criu = await ensureCriu();
  if (!criu.ok) return criu;
  return attempt('CRIU bundle', async () => {
    const fresh = `${criuBundle}.new-${String(process.pid)}`;
    try {
      const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name'];
      await mustRun(['tar', '-C', cache, ...owner, '-czf', fresh, 'criu']);
      renameSync(fresh, criuBundle);
    } finally {
      rmSync(fresh, { force: true });
    }
  });
}

function refuseOtherMachines() {
  if (process.platform === 'linux' && process.arch in loaders) return undefined;
  return leftOut(`CRIU left out: it does not exist for ${process.platform} ${process.arch}`);
}

/**
 * @param {string} folder
 * @param {string} suite
 * @param {RegExp} [unused]
 */
async function fill(folder, suite, unused) {
  await unpackFromSuite({ suite, packageName: 'criu', unused }, folder);
  const triplet = triplets[process.arch];
  const surplus = ['usr/share', 'usr/include', 'etc', 'var', `usr/lib/${triplet}/gconv`];
  for (const path of surplus) rmSync(join(folder, path), { recursive: true, force: true });
  // Older suites keep libc in /lib, newer ones in /usr/lib: the loader is looked for in both.
  const wrapper = `#!/bin/sh
# CRIU with the libraries it was built for. Finds them from its own path: the folder may be moved.
self=$(readlink -f -- "$0")
prefix=\${self%/*}
for loader in "$prefix"/usr/lib64/${loaders[process.arch]} "$prefix"/lib64/${loaders[process.arch]} \\
  "$prefix"/usr/lib/${triplet}/${loaders[process.arch]} "$prefix"/lib/${triplet}/${loaders[process.arch]}; do
  [ -e "$loader" ] && break
done
exec "$loader" --library-path "$prefix/usr/lib/${triplet}:$prefix/lib/${triplet}" "$prefix/usr/sbin/criu" "$@"
`;
  writeFileSync(join(folder, 'criu'), wrapper);
  chmodSync(join(folder, 'criu'), 0o755);
  // A temporary folder is private to its maker; ordinary users run this program too.
  chmodSync(folder, 0o755);
}
