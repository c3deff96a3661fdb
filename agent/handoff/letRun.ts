import { setTimeout as delay } from 'node:timers/promises';
import { FlickError } from '../../protocol/index.ts';
import type { Cell } from '../processes/cell.ts';
import { hasEnded, readStat } from '../procfs/stat.ts';

/** How long CRIU may take for the last steps of a restore, in ms: they do not depend on the size of the process. */
const resumeTimeout = 20_000;
/** How long the processes of a cell may take to be gone once its keeper was told to end, in ms. */
const endTimeout = 10_000;

/**
 * Lets a restored copy run. CRIU sets credentials last, so it can fail even here.
 * @throws why the copy does not run; something of it may be left
 */
export async function letRun(resume: () => Promise<void>): Promise<void> {
  const timer = new AbortController();
  try {
    await Promise.race([
      resume(),
      delay(resumeTimeout, undefined, { signal: timer.signal }).then(() => {
        throw new FlickError('restoreFailed', 'CRIU did not let the restored process run.');
      }),
    ]);
  } finally {
    timer.abort();
  }
}

/**
 * Ends a cell with everything in it.
 * @param pid of the process in it, as this device sees it; undefined when there is none
 * @throws {FlickError} `restoreFailed` when it is still there after a while
 */
export async function endCell(cell: Cell, pid: number | undefined): Promise<void> {
  await cell.shutdown();
  const deadline = Date.now() + endTimeout;
  while (pid !== undefined) {
    const stat = await readStat(pid);
    if (stat === undefined || hasEnded(stat)) return;
    if (Date.now() > deadline) {
      throw new FlickError('restoreFailed', `Process ${String(pid)} could not be ended.`);
    }
    await delay(20);
  }
}
