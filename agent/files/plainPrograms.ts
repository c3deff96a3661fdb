import { lstat, readdir } from 'node:fs/promises';
import { childOf, isBelow, parentOf } from './manifest.ts';
import { parseMounts } from '../procfs/mounts.ts';
import { mountOf, visibleMounts } from './mounts.ts';

/** Where programs and libraries live, which a process maps but does not write. */
const programFolders = ['/usr', '/opt', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/nix'];
/** Most binds that a keeper takes, less those of others. */
const maxBinds = 400;

/**
 * Parts of the device that an away cell must see as they are, read-only, and not through its layer. CRIU cannot name the
 * file behind a mapping when the layer is an overlay over an overlay (seen with 4.2.1: “Can't lookup mount … for
 * fd=-3”), which is so on devices whose own root is one. What was placed into the layer stays in the layer.
 * @param placed paths that lie in the layer
 * @param mapped files that the process maps
 * @returns nothing on devices with an ordinary root
 */
export async function plainPrograms(
  mountinfo: string,
  placed: ReadonlySet<string>,
  mapped: ReadonlySet<string>,
): Promise<string[]> {
  const visible = visibleMounts(parseMounts(mountinfo));
  const plain: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    const status = await lstat(folder).catch(() => undefined);
    if (status?.isDirectory() !== true || plain.length >= maxBinds) return;
    if (![...placed].some((path) => path !== folder && isBelow(path, folder))) {
      plain.push(folder);
      return;
    }
    for (const path of mapped) {
      if (parentOf(path) === folder && !placed.has(path) && (await exists(path))) plain.push(path);
    }
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) await visit(childOf(folder, entry.name));
    }
  };
  for (const folder of programFolders) {
    if (mountOf(visible, folder)?.type === 'overlay') await visit(folder);
  }
  // Programs elsewhere, as version managers keep them below a home: what is mapped alone, since data lies around it.
  for (const path of mapped) {
    if (plain.length >= maxBinds) break;
    if (placed.has(path) || plain.some((each) => each === path || isBelow(path, each))) continue;
    if (mountOf(visible, path)?.type === 'overlay' && (await isProgram(path))) plain.push(path);
  }
  return plain;
}

async function isProgram(path: string): Promise<boolean> {
  const status = await lstat(path).catch(() => undefined);
  if (status?.isFile() !== true) return false;
  return (status.mode & 0o111) !== 0 || /\.so(\.|$)|\.node$/.test(path);
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
