import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentHome } from '../state/home.ts';

/** The folders of one process on this device. */
export interface ProcessFolders {
  readonly root: string;
  readonly record: string;
  /** What travelled here with the process; absent at home. */
  readonly manifest: string;
  /** What left home with the process; only at home. */
  readonly away: string;
  /** What is being brought home right now. */
  readonly journal: string;
}

export function processFolders(home: AgentHome, id: string): ProcessFolders {
  const root = join(home.processes, id);
  return {
    root,
    record: join(root, 'record.json'),
    manifest: join(root, 'manifest.json'),
    away: join(root, 'away.json'),
    journal: join(root, 'homecoming.json'),
  };
}

/** The keeper's control folder of a cell: socket, exit status, scrollback and, during a handoff, images. */
export function cellFolder(folders: ProcessFolders, number: number): string {
  return join(folders.root, `cell-${number}`);
}

/** Images of a dump or a restore in a cell's folder, which the keeper binds into the cell at the same path. */
export function imagesFolder(cell: string): string {
  return join(cell, 'images');
}

/** Upper and work directories of a layered cell's overlays. */
export function layerFolder(folders: ProcessFolders, number: number): string {
  return join(folders.root, `layer-${number}`);
}

export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/**
 * Removes a folder with everything below it. Overlayfs leaves folders of mode 000 in its work directory, which an
 * ordinary user first has to open up.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    await openUp(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function openUp(path: string): Promise<void> {
  await chmod(path, 0o700).catch(() => undefined);
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isDirectory()) await openUp(join(path, entry.name));
  }
}
