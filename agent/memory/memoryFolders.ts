import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../processes/cells.ts';
import type { AgentHome } from '../state/home.ts';

/** Most that images of processes that moved may take up on this device, in bytes, and of what is free beside them. */
const keptBytes = 8 * 2 ** 30;
const keptShare = 0.25;

/** Where the image of a process's memory lies, whether it runs here, ran here, or is on its way. */
export function memoryFolder(home: AgentHome, process: string): string {
  return join(home.root, 'memory', process);
}

/** Large files that the process left here, beside the image of its memory: see `KeptFiles`. */
export function keptFilesFolder(home: AgentHome, process: string): string {
  return join(memoryFolder(home, process), 'files');
}

/** Nothing of the process is kept here any more. */
export async function forgetMemory(home: AgentHome, process: string): Promise<void> {
  await removeTree(memoryFolder(home, process));
}

/** Removes the images, and the files beside them, that were used longest ago until the rest fits. @param inUse process that is moved right now */
export async function pruneMemory(home: AgentHome, inUse: string): Promise<void> {
  const root = join(home.root, 'memory');
  const images: { path: string; bytes: number; usedAt: number }[] = [];
  for (const name of await readdir(root).catch(() => [])) {
    if (name === inUse) continue;
    const path = join(root, name);
    const files = await readdir(join(path, 'files')).catch(() => []);
    let bytes = 0;
    let usedAt = 0;
    for (const each of ['pages', ...files.map((file) => join('files', file))]) {
      const status = await stat(join(path, each)).catch(() => undefined);
      // Blocks that are there, not the length of a file with holes.
      bytes += (status?.blocks ?? 0) * 512;
      // A file keeps the time that it has on its device; when it came here is its status change.
      usedAt = Math.max(usedAt, status?.ctimeMs ?? 0);
    }
    images.push({ path, bytes, usedAt });
  }
  let total = images.reduce((sum, each) => sum + each.bytes, 0);
  const { bavail, bsize } = await statfs(home.root);
  const limit = Math.min(keptBytes, (bavail * bsize + total) * keptShare);
  for (const { path, bytes } of images.sort((a, b) => a.usedAt - b.usedAt)) {
    if (total <= limit) return;
    await removeTree(path);
    total -= bytes;
  }
}
