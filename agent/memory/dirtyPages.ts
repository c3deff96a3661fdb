import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readDescriptorInfo } from '../procfs/descriptors.ts';
import { readProcNumbers } from '../procfs/read.ts';
import {
  chunksOf,
  excludeAll,
  includeAll,
  type Chunk,
  type PageMask,
  type PageRun,
} from './chunks.ts';
import type { MemoryTask } from './processMemory.ts';

const recordLength = 24;
/** First field of the record that ends an answer, see agent/keeper/native/dirty.c. */
const ends = 2n ** 64n - 1n;
/** The program stops a thread of each task for a moment; one that takes longer than this is not waited for. In ms. */
const startPatience = 2_000;

/** O_DIRECT as fdinfo has it, on x86-64. */
const directFlag = 0o40000;

interface Answer {
  readonly resolve: (runs: PageRun[]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Which pages running tasks write, as the kernel says it (`flick-keeper dirty`): no look at the others is needed to know
 * that they are as they were.
 */
export class DirtyPages {
  readonly #program: ChildProcessWithoutNullStreams;
  readonly #tasks: readonly MemoryTask[];
  readonly #answers: Answer[] = [];
  #runs: PageRun[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #said = '';
  #failure: Error | undefined;

  private constructor(program: ChildProcessWithoutNullStreams, tasks: readonly MemoryTask[]) {
    this.#program = program;
    this.#tasks = tasks;
    program.stdout.on('data', (bytes: Buffer) => this.#read(bytes));
    program.stderr.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    program.stdin.on('error', () => undefined);
    program.on('error', (error) => this.#fail(error));
    program.on('close', () => this.#fail(new Error(this.#said.trim() || 'It ended.')));
  }

  /** @throws {Error} the kernel cannot say it, or may not say it to this user, or would not say all */
  static async watch(keeper: string, tasks: readonly MemoryTask[]): Promise<DirtyPages> {
    await refuseDirectIo(tasks);
    const program = spawn(keeper, ['dirty', ...tasks.map(({ pid }) => String(pid))]);
    const watching = new DirtyPages(program, tasks);
    const timer = setTimeout(() => watching.end(), startPatience);
    try {
      await watching.#answer();
      return watching;
    } catch (error) {
      watching.end();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Pages that were written since it was asked last; at first all that there are. */
  next(): Promise<PageRun[]> {
    return this.#ask('a');
  }

  /** The same of tasks that stand still, after which nothing is to be asked: it takes less time. */
  async last(): Promise<PageRun[]> {
    const [runs] = await Promise.all([this.#ask('l'), refuseDirectIo(this.#tasks)]);
    return runs;
  }

  end(): void {
    this.#fail(new Error('It was ended.'));
    this.#program.kill('SIGKILL');
  }

  #ask(request: 'a' | 'l'): Promise<PageRun[]> {
    const answer = this.#answer();
    this.#program.stdin.write(request);
    return answer;
  }

  #answer(): Promise<PageRun[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }));
  }

  #read(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (; at + recordLength <= all.length; at += recordLength) {
      const place = all.readBigUInt64LE(at);
      if (place === ends) {
        this.#answers.shift()?.resolve(this.#runs);
        this.#runs = [];
        continue;
      }
      const task = this.#tasks[Number(place)]?.task;
      if (task === undefined) return this.#fail(new Error('It named a task that nobody knows.'));
      const address = Number(all.readBigUInt64LE(at + 8));
      this.#runs.push({ task, address, pages: Number(all.readBigUInt64LE(at + 16)) });
    }
    this.#rest = all.subarray(at);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#answers.splice(0)) reject(this.#failure);
  }
}

/**
 * A disk may write into memory of the process long after the kernel was asked to: a page that was clean before is then
 * written without a fault.
 */
async function refuseDirectIo(tasks: readonly MemoryTask[]): Promise<void> {
  for (const { pid } of tasks) {
    for (const fd of (await readProcNumbers(`/proc/${pid}/fd`)) ?? []) {
      const flags = (await readDescriptorInfo(pid, fd))?.flags ?? 0;
      if ((flags & directFlag) !== 0) {
        throw new Error(`Process ${pid} has a file open for direct I/O.`);
      }
    }
  }
}

/** Pages that are in the image as they are in the process, as far as it is watched. */
export class CleanPages {
  readonly #tasks = new Map<number, Map<number, PageMask>>();

  of({ task, index }: Pick<Chunk, 'task' | 'index'>): Readonly<PageMask> {
    return this.#tasks.get(task)?.get(index) ?? nothing;
  }

  /** They have been compared with the process after it was asked for its written pages. */
  add(pages: Chunk): void {
    const { task, index } = pages;
    let chunks = this.#tasks.get(task);
    if (chunks === undefined) this.#tasks.set(task, (chunks = new Map()));
    let known = chunks.get(index);
    if (known === undefined) chunks.set(index, (known = { low: 0, high: 0 }));
    includeAll(known, pages);
  }

  /** They have been written. */
  remove(runs: Iterable<PageRun>): void {
    for (const written of chunksOf(runs)) {
      const known = this.#tasks.get(written.task)?.get(written.index);
      if (known !== undefined) excludeAll(known, written);
    }
  }
}

const nothing: Readonly<PageMask> = { low: 0, high: 0 };
