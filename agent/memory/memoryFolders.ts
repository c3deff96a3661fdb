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

/** Nothing of the process is kept here any more. */
export async function forgetMemory(home: AgentHome, process: string): Promise<void> {
  await removeTree(memoryFolder(home, process));
}

/** Removes the images that were used longest ago until the rest fits. @param inUse process that is moved right now */
export async function pruneMemory(home: AgentHome, inUse: string): Promise<void> {
  const root = join(home.root, 'memory');
  const images: { path: string; bytes: number; usedAt: number }[] = [];
  for (const name of await readdir(root).catch(() => [])) {
    if (name === inUse) continue;
    const path = join(root, name);
    const pages = await stat(join(path, 'pages')).catch(() => undefined);
    // Blocks that are there, not the length of a file with holes.
    images.push({ path, bytes: (pages?.blocks ?? 0) * 512, usedAt: pages?.mtimeMs ?? 0 });
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
