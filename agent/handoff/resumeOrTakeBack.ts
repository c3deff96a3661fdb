import { setTimeout as delay } from 'node:timers/promises';
import { FlickError } from '../../protocol/index.ts';
import type { HeldRestore } from '../engines/engine.ts';
import type { Cell } from '../processes/cell.ts';
import { hasEnded, readStat } from '../procfs/stat.ts';

/** How long CRIU may take for the last steps of a restore, in ms: they do not depend on the size of the process. */
const resumeTimeout = 20_000;
/** How long the processes of a cell may take to be gone once its keeper was told to end, in ms. */
const endTimeout = 10_000;

/**
 * Lets a restored copy run. CRIU sets credentials last, so it can fail even here; the source has been told nothing yet
 * and still has its own, so this side takes its word back once its copy is certainly gone.
 * @throws why the copy does not run
 */
export async function resumeOrTakeBack(
  held: HeldRestore,
  cell: Cell,
  takeBack: () => Promise<void>,
): Promise<void> {
  const timer = new AbortController();
  try {
    await Promise.race([
      held.resume(),
      delay(resumeTimeout, undefined, { signal: timer.signal }).then(() => {
        throw new FlickError('restoreFailed', 'CRIU did not let the restored process run.');
      }),
    ]);
  } catch (error) {
    await cell.shutdown();
    const deadline = Date.now() + endTimeout;
    for (;;) {
      const stat = await readStat(held.pid);
      if (stat === undefined || hasEnded(stat)) break;
      if (Date.now() > deadline) throw error;
      await delay(20);
    }
    await takeBack();
    throw error;
  } finally {
    timer.abort();
  }
}
