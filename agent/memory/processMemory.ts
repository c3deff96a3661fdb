import { readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { readMaps } from '../procfs/maps.ts';
import { pageBytes, type PageRun } from './chunks.ts';

/** A task whose memory is read: its PID as this device sees it, and as the capsule has it. */
export interface MemoryTask {
  readonly pid: number;
  readonly task: number;
}

/** Bytes of /proc/PID/pagemap that are read at once: 512 MiB of addresses. */
const pagemapPiece = 1 << 20;
const entryBytes = 8;
/** High words of pagemap entries (proc_pid_pagemap(5)): bits 63 present, 62 swapped, 61 of a file or shared. */
const inMemory = 0xc000_0000;
const ofFile = 0x2000_0000;
/** Mappings of more addresses than this are reserved rather than used; what is in them is found at the freeze. In bytes. */
const largestMapping = 2 ** 37;

/** The memory of processes by /proc/PID/mem (proc_pid_mem(5)), while they run or stand still. */
export class ProcessMemory {
  readonly #tasks: ReadonlyMap<number, number>;
  readonly #files = new Map<number, Promise<FileHandle>>();

  constructor(tasks: readonly MemoryTask[]) {
    this.#tasks = new Map(tasks.map(({ task, pid }) => [task, pid]));
  }

  get tasks(): ReadonlyMap<number, number> {
    return this.#tasks;
  }

  /** Private pages that the tasks have written to and that are readable now; a moment later it may be others. */
  async writtenPages(): Promise<PageRun[]> {
    const runs: PageRun[] = [];
    for (const [task, pid] of this.#tasks) {
      const pagemap = await open(`/proc/${pid}/pagemap`, 'r').catch(() => undefined);
      if (pagemap === undefined) continue;
      try {
        for (const { start, end, readable, shared } of (await readMaps(pid)) ?? []) {
          const length = Number(end - start);
          if (!readable || shared || end > 2n ** 53n || length > largestMapping) continue;
          await addWritten(pagemap, task, Number(start), length, runs);
        }
      } finally {
        await pagemap.close();
      }
    }
    return runs;
  }

  /**
   * Reads bytes of a task into `into` at `offset`.
   * @param now without the way through the thread pool, which takes longer than the copying: for a task that stands still
   *     and that somebody waits for
   * @returns false when they cannot be read, all or some: they are not mapped (any more), or the task has ended
   */
  async read(
    task: number,
    address: number,
    into: Buffer,
    offset: number,
    length: number,
    now = false,
  ): Promise<boolean> {
    try {
      const file = await this.#open(task);
      for (let done = 0; done < length;) {
        const place = [into, offset + done, length - done, address + done] as const;
        const bytes = now ? readSync(file.fd, ...place) : (await file.read(...place)).bytesRead;
        if (bytes === 0) return false;
        done += bytes;
      }
      return true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    for (const file of this.#files.values())
      await file.then((each) => each.close()).catch(() => undefined);
    this.#files.clear();
  }

  #open(task: number): Promise<FileHandle> {
    const known = this.#files.get(task);
    if (known !== undefined) return known;
    const opened = open(`/proc/${this.#tasks.get(task) ?? 0}/mem`, 'r');
    opened.catch(() => undefined);
    this.#files.set(task, opened);
    return opened;
  }
}

async function addWritten(
  pagemap: FileHandle,
  task: number,
  start: number,
  length: number,
  runs: PageRun[],
): Promise<void> {
  const buffer = Buffer.alloc(Math.min(pagemapPiece, (length / pageBytes) * entryBytes));
  for (let done = 0; done < length;) {
    const first = start / pageBytes + done / pageBytes;
    const wanted = Math.min(buffer.length, ((length - done) / pageBytes) * entryBytes);
    const { bytesRead } = await pagemap.read(buffer, 0, wanted, first * entryBytes);
    const entries = Math.floor(bytesRead / entryBytes);
    if (entries === 0) return;
    let run: { address: number; pages: number } | undefined;
    for (let entry = 0; entry < entries; entry += 1) {
      const high = buffer.readUInt32LE(entry * entryBytes + 4);
      if ((high & inMemory) !== 0 && (high & ofFile) === 0) {
        run ??= { address: (first + entry) * pageBytes, pages: 0 };
        run.pages += 1;
      } else if (run !== undefined) {
        runs.push({ task, ...run });
        run = undefined;
      }
    }
    if (run !== undefined) runs.push({ task, ...run });
    done += entries * pageBytes;
  }
}
