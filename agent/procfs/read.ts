import { readdir, readFile, readlink } from 'node:fs/promises';

/**
 * Reading /proc. Everything here is asynchronous, since reading `cmdline`, `maps` or `environ` waits for the memory lock
 * of the process and a stuck process must not hang the agent. A process that is gone, or that the caller may not look
 * into, is an ordinary answer (`undefined`), never an error.
 */
export async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Target of a link below /proc; undefined when the process is gone or not ours to look into. */
export async function readProcLink(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch {
    return undefined;
  }
}

/** Entries of a folder below /proc whose names are numbers, ascending. */
export async function readProcNumbers(path: string): Promise<readonly number[] | undefined> {
  try {
    const names = await readdir(path);
    return names
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return undefined;
  }
}

/** PIDs of all processes that this mount of /proc shows. */
export async function readPids(): Promise<readonly number[]> {
  return (await readProcNumbers('/proc')) ?? [];
}

/** TIDs of a process; undefined when it is gone. */
export function readTasks(pid: number): Promise<readonly number[] | undefined> {
  return readProcNumbers(`/proc/${pid}/task`);
}

/**
 * Calls a function for each item, a few at a time and in order of the results: many small reads without flooding the
 * thread pool that all file work of the agent shares.
 */
export async function eachOf<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  width = 8,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const index = next++;
      const item = items[index];
      if (index >= items.length || item === undefined) return;
      results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
