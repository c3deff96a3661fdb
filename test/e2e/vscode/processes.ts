import { readFileSync, readdirSync } from 'node:fs';
import { sleep } from './wait.ts';

/** A process as /proc showed it once; `started` (clock ticks since boot) tells it from a later one of the same PID. */
export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  readonly started: string;
  readonly command: string;
}

/** The descendants of a process (proc_pid_stat(5), fields 4 and 22). */
export function processesOf(ancestor: number | undefined): SeenProcess[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const seen = all.map((name) => look(Number(name))).filter((found) => found !== undefined);
  const below = (pid: number): SeenProcess[] =>
    seen.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...below(child.pid)]);
  return ancestor === undefined ? [] : below(ancestor);
}

/**
 * The processes whose environment has this variable with this value (proc_pid_environ(5)): with a folder that only one
 * test has as `FLICK_HOME`, everything that was started on its behalf and outlives its parent, agents first of all.
 */
export function processesWith(variable: string, value: string): SeenProcess[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const holders = all.filter((name) => {
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0');
      return environment.includes(`${variable}=${value}`);
    } catch {
      return false;
    }
  });
  return holders.map((name) => look(Number(name))).filter((found) => found !== undefined);
}

/** Gives processes a while, in ms, to end by themselves, then kills those that are left, each by its PID. */
export async function endProcesses(
  processes: readonly SeenProcess[],
  patienceMs = 2000,
): Promise<void> {
  const left = (): SeenProcess[] =>
    processes.filter(({ pid, started }) => look(pid)?.started === started);
  const end = Date.now() + patienceMs;
  while (Date.now() < end && left().length > 0) await sleep(50);
  for (const { pid } of left()) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended between the look and the signal.
    }
  }
}

function look(pid: number): SeenProcess | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    // The second field, the name, may hold spaces and parentheses; the fields after it may not.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined;
    return { pid, parent: Number(fields[1]), started: fields[19] ?? '', command };
  } catch {
    return undefined;
  }
}
