import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { skip } from './skip.ts';

/** The root of the clone. */
export const root = dirname(dirname(import.meta.dirname));

/** What scripts/provision puts into the cache folder, by the name used there; absolute paths. */
export const provisioned = {
  criu: join(root, '.cache/criu/criu'),
  'criu-old': join(root, '.cache/criu-old/criu'),
  'criu-bundle': join(root, '.cache/criu-bundle-x64.tar.gz'),
  node22: join(root, '.cache/node/22/bin/node'),
  node24: join(root, '.cache/node/24/bin/node'),
  node26: join(root, '.cache/node/26/bin/node'),
  'node-arm64': join(root, '.cache/arm64/node'),
  podman: join(root, '.cache/podman-root/usr/bin/podman'),
  vscode: join(root, '.cache/vscode-server/out/server-main.js'),
} as const;

/**
 * The path of something that was provisioned; skips the test where it could not be had.
 * @param context `this` of the test or hook
 */
export function requireProvisioned(context: Mocha.Context, name: keyof typeof provisioned): string {
  const path = provisioned[name];
  return existsSync(path) ? path : skip(context, `${name} could not be had on this machine`);
}

/** Skips the test where a program is not installed. Returns its absolute path. */
export function requireProgram(context: Mocha.Context, name: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const path = folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
  return path ?? skip(context, `${name} is not installed on this machine`);
}

/** Skips the test for everyone but root: test devices are namespaces with mounts and networks. */
export function requireRoot(context: Mocha.Context): void {
  if (process.getuid?.() !== 0) skip(context, 'only root can make test devices');
}
