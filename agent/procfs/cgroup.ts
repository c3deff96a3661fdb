import { readProc } from './read.ts';

/** One line of /proc/PID/cgroup (cgroups(7)). */
export interface CgroupEntry {
  /** Controllers of a v1 hierarchy, `name=systemd`, or empty for v2. */
  readonly controllers: string;
  readonly path: string;
}

export function parseCgroup(text: string): CgroupEntry[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    return match === null ? [] : [{ controllers: match[1] ?? '', path: match[2] ?? '/' }];
  });
}

/**
 * The path by which service managers and container runtimes order processes: that of v2 or of the hierarchy that
 * systemd names, whichever says more; else the longest of v1. `/` when nothing is known.
 */
export function managerPath(entries: readonly CgroupEntry[]): string {
  const named = entries.filter(
    (entry) => entry.controllers === '' || entry.controllers === 'name=systemd',
  );
  const longest = (among: readonly CgroupEntry[]): string =>
    among.reduce((best, entry) => (entry.path.length > best.length ? entry.path : best), '/');
  const path = longest(named);
  return path === '/' ? longest(entries) : path;
}

/** undefined when the process is gone. */
export async function readManagerPath(pid: number | 'self'): Promise<string | undefined> {
  const text = await readProc(`/proc/${pid}/cgroup`);
  return text === undefined ? undefined : managerPath(parseCgroup(text));
}
