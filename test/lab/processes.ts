import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that is not taken for another one which got its PID later. */
export interface ProcessHandle {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, clock ticks since the machine started. */
  readonly startTime: string;
}

/** The handle of a running process; undefined where there is none, or only a zombie. */
export function findProcess(pid: number): ProcessHandle | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    // The name (field 2) may hold blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const startTime = fields[19];
    return fields[0] === 'Z' || startTime === undefined ? undefined : { pid, startTime };
  } catch {
    return undefined;
  }
}

export function isAlive(handle: ProcessHandle | undefined): handle is ProcessHandle {
  return handle !== undefined && findProcess(handle.pid)?.startTime === handle.startTime;
}

/** The children of a process's first thread. */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** All processes that have `argument` among their arguments, this one excepted. */
export function processesWithArgument(argument: string): ProcessHandle[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(argument);
      } catch {
        return false;
      }
    })
    .map((name) => findProcess(Number(name)))
    .filter((handle) => handle !== undefined);
}

/** Kills processes and waits until they are gone. @throws {Error} when one is left after 10 s */
export async function killAndWait(handles: readonly ProcessHandle[]): Promise<void> {
  for (const handle of handles) {
    try {
      if (isAlive(handle)) process.kill(handle.pid, 'SIGKILL');
    } catch {
      // Gone between the look and the signal.
    }
  }
  await waitFor('processes to end', () => !handles.some(isAlive));
}

/**
 * Looks every 20 ms whether something has come true.
 * @throws {Error} when it has not after `limitMs`
 */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited ${String(limitMs)} ms for ${what}`);
    await sleep(20);
  }
}
