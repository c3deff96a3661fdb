import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../common/logger.ts';
import { recoverHomecoming } from '../files/homecomingJournal.ts';
import { readStat } from '../procfs/stat.ts';
import { Cell } from './cell.ts';
import { cellFolder, imagesFolder, removeTree, type ProcessFolders } from './cells.ts';
import type { ManagedProcess } from './managedProcess.ts';

/** How long a keeper may take to end, in ms. */
const keeperPatience = 2_000;

/**
 * Ends what the crash of an agent left of a process that has no record: an arrival that had promised nothing, or a launch
 * of which nobody was told. What home gave away stays known.
 */
export async function sweepUnrecorded(folders: ProcessFolders, logger: Logger): Promise<void> {
  await recoverHomecoming(folders.journal, 'abort');
  for (const entry of await readdir(folders.root)) {
    const path = join(folders.root, entry);
    if (path === folders.away) continue;
    if (entry.startsWith('cell-')) await endKeeper(path, logger);
    await removeTree(path);
  }
  // Only where nothing is left of it.
  await rmdir(folders.root).catch(() => undefined);
}

async function endKeeper(folder: string, logger: Logger): Promise<void> {
  for (let waited = 0; waited < keeperPatience; waited += 20) {
    const cell = await Cell.reconnect(folder, 0, undefined, logger);
    if (cell === undefined) return;
    await cell.shutdown();
    await delay(20);
  }
}

/**
 * What CRIU was writing when its cell was killed. A keeper lets go of its socket before the kernel has ended everything
 * in its namespace, so CRIU may still write for a moment.
 */
export async function removeImagesOfKilled(managed: ManagedProcess, cell: Cell): Promise<void> {
  for (let waited = 0; waited < keeperPatience; waited += 20) {
    if ((await readStat(cell.keeperPid)) === undefined) break;
    await delay(20);
  }
  await removeImages(managed);
}

/** Images of a handoff that an agent did not live to remove. */
export async function removeImages({ folders, record }: ManagedProcess): Promise<void> {
  if (record.cell === null) return;
  await removeTree(imagesFolder(cellFolder(folders, record.cell.number)));
}
