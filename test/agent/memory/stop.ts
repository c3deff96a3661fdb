import { setTimeout as delay } from 'node:timers/promises';
import { readTasks } from '../../../agent/procfs/read.ts';
import { readStatus } from '../../../agent/procfs/status.ts';

/** Stops a process, and waits until each of its threads stands still. */
export async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  for (const tid of (await readTasks(pid)) ?? []) {
    while (!['T', undefined].includes((await readStatus(pid, tid))?.state)) await delay(1);
  }
}
