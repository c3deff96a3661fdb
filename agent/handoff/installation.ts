import type { ArrivingMemory } from '../../protocol/index.ts';
import type { Cell } from '../processes/cell.ts';
import { imagesFolder, removeTree } from '../processes/cells.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';

/** How a process is shown of whose memory it is not known how much is missing. */
export function memoryFrom(peer: string): ArrivingMemory {
  return { from: peer, doneBytes: 0, totalBytes: 0 };
}

/**
 * Waits until the keeper has brought the last page, all of them being here: CRIU cannot save the process before.
 * @returns once it can be moved on, or has ended
 */
export async function untilInstalled(managed: ManagedProcess, cell: Cell): Promise<void> {
  const installed = new Promise<void>((resolve) => {
    const subscription = cell.onLazyDone(() => {
      subscription.dispose();
      resolve();
    });
  });
  // Fails when there was nothing to bring.
  const state = await cell.lazyState().catch(() => undefined);
  if (state !== undefined && !state.finished) await Promise.race([installed, cell.ended]);
  await removeTree(imagesFolder(cell.folder));
  managed.setArrivingMemory(undefined);
}
