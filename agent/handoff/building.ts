import { messageOf } from '../../common/rpc.ts';
import type { LeftOut } from '../engines/criu/pagemap.ts';
import type { HeldRestore, PreparedRestore } from '../engines/engine.ts';
import type { Cell } from '../processes/cell.ts';
import { cellFolder, layerFolder, removeTree, type ProcessFolders } from '../processes/cells.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import type { ArrivalFiles, CellMounts } from './arrivalFiles.ts';
import type { HandoffContext } from './context.ts';
import { endCell } from './letRun.ts';
import type { Run } from './messages.ts';

/** What has been built for the arriving process so far, to be taken down again if it does not come. */
export interface Building {
  readonly folders: ProcessFolders;
  readonly number: number;
  readonly files: ArrivalFiles;
  readonly existedBefore: boolean;
  /** The device has no namespaces for this user: nothing lies between the process and its files. */
  readonly isPlain: boolean;
  cell?: Cell;
  /** The cell, where it could be begun before the images were there. */
  starting?: Promise<Cell>;
  /** What that cell sees. */
  expected?: CellMounts;
  /** What the cell has to see, once that is known. */
  mounts?: CellMounts;
  /** Until what came with it is written down. */
  remembered?: Promise<void>;
  /** Waits in that cell for the images. */
  prepared?: PreparedRestore;
  held?: HeldRestore;
  managed?: ManagedProcess;
  /** Memory that was not in the images. */
  leftOut?: LeftOut;
  /** The keeper brings it while the process runs. */
  isServed?: boolean;
  /** The source's word to let it run. */
  order?: Run;
}

export function nextCell(entries: readonly string[]): number {
  const numbers = entries.flatMap((name) => {
    const match = /^(?:cell|layer)-(\d+)$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return Math.max(0, ...numbers) + 1;
}

/** @throws while it is not certain that nothing of it is left that could run */
export async function takeDown(
  building: Building,
  handoff: string,
  { processes, logger }: HandoffContext,
): Promise<void> {
  await building.starting?.catch(() => undefined);
  await building.remembered?.catch(() => undefined);
  const { folders, number, held, prepared, cell } = building;
  // One that was told to run is not held any more.
  if (building.order === undefined) await held?.abort().catch(() => undefined);
  if (cell !== undefined) await endCell(cell, (held ?? prepared)?.pid);
  try {
    if (building.managed !== undefined) processes.drop(building.managed);
    await building.files.abort();
    await removeTree(folders.record);
    await removeTree(cellFolder(folders, number));
    await removeTree(layerFolder(folders, number));
    await removeTree(folders.manifest);
    if (!building.existedBefore) await removeTree(folders.root);
  } catch (error) {
    logger.log('error', 'tidying up after an arrival that failed was not finished', {
      handoff,
      error: messageOf(error),
    });
  }
}
