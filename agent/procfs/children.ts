import { readProc, readTasks } from './read.ts';

/**
 * PIDs of a process's children, zombies included (proc_pid_task_children(5)). Complete while the process stands still; of
 * one that runs a child may be missed.
 */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const children: number[] = [];
  for (const task of (await readTasks(pid)) ?? []) {
    const list = await readProc(`/proc/${pid}/task/${task}/children`);
    for (const word of list?.split(' ') ?? []) if (word !== '') children.push(Number(word));
  }
  return children;
}
