import { setTimeout as delay } from 'node:timers/promises';
import { childrenOf } from '../procfs/children.ts';
import { readTasks } from '../procfs/read.ts';
import { readStatus, type ProcessStatus } from '../procfs/status.ts';

/** How often is looked, in ms: CRIU takes some ten for what follows. */
const interval = 2;
/** Larger trees are not watched: looking at every thread of them would hold up who freezes them. */
const maxThreads = 256;

/**
 * Waits until a tracer holds every thread of a tree, so that no instruction of it runs any more until the tracer lets go.
 * @returns false when that was not seen before the signal, or the tree is too large to look at
 */
export async function seesStandstill(rootPid: number, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    // One look where nothing is held yet: who freezes them needs the processor.
    if ((await readStatus(rootPid))?.tracer !== 0) {
      const standing = await isHeld(rootPid);
      if (standing !== false) return standing === true;
    }
    await delay(interval);
  }
  return false;
}

/** @returns undefined when the tree is too large to be looked at */
async function isHeld(rootPid: number): Promise<boolean | undefined> {
  let threads = 0;
  const pending = [rootPid];
  for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) {
    const [leader, ...others] = (await readTasks(pid)) ?? [];
    if (leader === undefined) continue;
    threads += others.length + 1;
    if (threads > maxThreads) return undefined;
    for (const tid of others) if (!isStopped(await readStatus(pid, tid))) return false;
    const status = await readStatus(pid, leader);
    // CRIU stops the leader first and then runs code of its own in it.
    const isUsed = others.length > 0 && status?.tracer !== 0;
    if (!isUsed && !isStopped(status)) return false;
    pending.push(...(await childrenOf(pid)));
  }
  return threads > 0;
}

function isStopped(status: ProcessStatus | undefined): boolean {
  // A zombie has nothing left to run.
  if (status === undefined || status.state === 'Z') return true;
  return status.tracer !== 0 && status.state === 't';
}
