import { spawnSync } from 'node:child_process';
import {
  mkdir,
  open,
  readdir,
  readFile,
  truncate,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { join } from 'node:path';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { KeeperClient } from '../../../agent/keeper/keeperClient.ts';
import { root } from '../../support/provisioned.ts';
import { criuIn, dump, holds, restore, type Criu } from './criuCycle.ts';
import { plainEnv, Screen, until, type Bench } from './support.ts';

export const pageBytes = 4096;
const presentFlag = 4;
const lazyFlag = 2;

export interface Extent {
  readonly vaddr: number;
  readonly pages: number;
  readonly first: number;
}

export interface Task {
  readonly pid: number;
  readonly extents: readonly Extent[];
}

export async function buildProgram(folder: string): Promise<string> {
  const program = join(folder, 'lazyProgram');
  const source = join(root, 'test/agent/keeper/lazyProgram.c');
  const { status } = spawnSync('gcc', ['-O2', '-static', '-pthread', '-o', program, source], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('Failed to build lazyProgram');
  return Promise.resolve(program);
}

/** Lazy ranges of one pagemap image: entries of `u32 length, protobuf message` behind two magics and a head. */
function lazyRanges(image: Buffer): { vaddr: number; pages: number }[] {
  const ranges: { vaddr: number; pages: number }[] = [];
  let head = true;
  for (let at = 8; at < image.length;) {
    const length = image.readUInt32LE(at);
    const reader = new BinaryReader(image.subarray(at + 4, at + 4 + length));
    const fields = new Map<number, number>();
    while (reader.pos < reader.len) {
      const [field] = reader.tag();
      fields.set(field, Number(reader.uint64()));
    }
    at += 4 + length;
    const flags = fields.get(4) ?? 0;
    if (!head && (flags & lazyFlag) !== 0 && (flags & presentFlag) === 0) {
      ranges.push({ vaddr: fields.get(1) ?? 0, pages: fields.get(5) ?? fields.get(2) ?? 0 });
    }
    head = false;
  }
  return ranges;
}

/** The pages that a dump left out, numbered as they come. */
export async function readTasks(images: string): Promise<Task[]> {
  const tasks: Task[] = [];
  let next = 0;
  for (const name of (await readdir(images)).sort()) {
    const pid = /^pagemap-(\d+)\.img$/.exec(name)?.[1];
    if (pid === undefined) continue;
    const extents = lazyRanges(await readFile(join(images, name))).map(({ vaddr, pages }) => {
      next += pages;
      return { vaddr, pages, first: next - pages };
    });
    tasks.push({ pid: Number(pid), extents });
  }
  return tasks;
}

export function encodeIndex(tasks: readonly Task[]): Buffer {
  const parts: Buffer[] = [Buffer.from('FLKLAZY1'), u32(tasks.length), u32(0)];
  for (const { pid, extents } of tasks) {
    parts.push(u32(pid), u32(extents.length));
    for (const { vaddr, pages, first } of extents) parts.push(u64(vaddr), u64(pages), u64(first));
  }
  return Buffer.concat(parts);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export async function writeLazyFiles(folder: string, index: Buffer, pages: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'lazy.index'), index);
  for (const [name, bytes] of [
    ['lazy.pages', pages * pageBytes],
    ['lazy.arrived', Math.ceil(pages / 8)],
  ] as const) {
    await writeFile(join(folder, name), '');
    await truncate(join(folder, name), bytes);
  }
}

/** A program that was dumped lazily and is gone, with the memory that was read while it was held. */
export class Departed {
  readonly tasks: readonly Task[];
  readonly total: number;
  readonly #criu: Criu;
  readonly #key: string;
  readonly #memory: Buffer;
  readonly #areas: readonly number[];
  readonly #areaPages: number;
  #pages: FileHandle | undefined;

  private constructor(
    criu: Criu,
    key: string,
    tasks: readonly Task[],
    memory: Buffer,
    areas: readonly number[],
    areaPages: number,
  ) {
    this.#criu = criu;
    this.#key = key;
    this.tasks = tasks;
    this.#memory = memory;
    this.total = memory.length / pageBytes;
    this.#areas = areas;
    this.#areaPages = areaPages;
  }

  /** A program that says `ready`, or lazyProgram with areas of so many MiB. */
  static async take(bench: Bench, argv: readonly string[], mebibytes = 0): Promise<Departed> {
    const criu = { ...(await criuIn(await bench.folder())), lazy: true };
    const { client, keeperPid } = await bench.cell();
    const screen = await Screen.of(client);
    const pid = await client.launch({
      argv,
      env: plainEnv,
      cwd: '/',
      columns: 80,
      rows: 24,
    });
    for (const shown of mebibytes > 0 ? ['main area', 'twin area'] : ['ready']) {
      await screen.shows(shown, 60_000);
    }
    const area = (name: string): number =>
      Number(new RegExp(`${name} area (0x[0-9a-f]+)`).exec(screen.text)?.[1]);
    const key = (await client.state()).terminalKey;
    const job = await dump(client, criu, pid, key);
    await holds(job, criu);
    const tasks = await readTasks(criu.images);
    const memory = await readMemory(`/proc/${String(keeperPid)}/root/proc`, tasks);
    await client.pin(job.id);
    await client.verdict(job.id, true);
    await until(() => client.isClosed, 'the keeper has gone');
    const areas = [area('main'), area('twin')];
    return new Departed(criu, key, tasks, memory, areas, mebibytes << 8);
  }

  get images(): string {
    return this.#criu.images;
  }

  get main(): Task {
    return this.#task(0);
  }

  #task(index: number): Task {
    const task = this.tasks[index];
    if (task === undefined) throw new Error('there are two tasks');
    return task;
  }

  /** Number of page `page` of the main program's area, or its twin's. */
  numberOf(page: number, twin = false): number {
    const vaddr = (this.#areas[twin ? 1 : 0] ?? 0) + page * pageBytes;
    const found = this.#task(twin ? 1 : 0).extents.find(
      (each) => each.vaddr <= vaddr && vaddr < each.vaddr + each.pages * pageBytes,
    );
    if (found === undefined) throw new Error(`page ${String(page)} is in the images`);
    return found.first + (vaddr - found.vaddr) / pageBytes;
  }

  /** Numbers of all pages that are not in an area: what the programs need to run at all. */
  others(): number[] {
    const inArea = new Set<number>();
    for (const twin of [false, true]) {
      for (let page = 0; page < this.#areaPages; page++) inArea.add(this.numberOf(page, twin));
    }
    return Array.from({ length: this.total }, (_, number) => number).filter((n) => !inArea.has(n));
  }

  async writeFiles(): Promise<void> {
    await writeLazyFiles(this.images, encodeIndex(this.tasks), this.total);
    await this.#pages?.close();
    this.#pages = await open(join(this.images, 'lazy.pages'), 'r+');
  }

  /** Puts pages where the keeper finds them, and says so. */
  async feed(client: KeeperClient, numbers: readonly number[]): Promise<void> {
    const ranges: { first: number; count: number }[] = [];
    for (const number of numbers) {
      const last = ranges.at(-1);
      if (last !== undefined && last.first + last.count === number) last.count += 1;
      else ranges.push({ first: number, count: 1 });
    }
    for (const { first, count } of ranges) {
      const from = first * pageBytes;
      const bytes = this.#memory.subarray(from, from + count * pageBytes);
      await this.#pages?.write(bytes, 0, bytes.length, from);
    }
    await client.arrived(ranges);
  }

  /** A cell with the program, held before its first instruction; `before` runs between LAZY and criu. */
  async arrive(bench: Bench, before: (client: KeeperClient) => Promise<void>): Promise<Arrival> {
    await this.writeFiles();
    const { client, dir, keeperPid } = await bench.cell();
    const wanted: number[] = [];
    client.onWanted((pages) => wanted.push(...pages));
    const done = new Promise<void>((resolve) => client.onLazyDone(resolve));
    await client.lazy(this.images);
    await before(client);
    const screen = await Screen.of(client);
    const job = await restore(client, this.#criu, this.main.pid, this.#key);
    await holds(job, this.#criu);
    const goOn = async (): Promise<void> => {
      await client.verdict(job.id, true);
      const status = await job.done;
      if (status?.kind !== 'code' || status.code !== 0) throw new Error(JSON.stringify(status));
    };
    return { client, dir, keeperPid, screen, wanted, done, job: job.id, goOn };
  }

  async dispose(): Promise<void> {
    await this.#pages?.close();
  }
}

export interface Arrival {
  readonly client: KeeperClient;
  readonly dir: string;
  readonly keeperPid: number;
  readonly screen: Screen;
  /** All that WANTED said so far. */
  readonly wanted: readonly number[];
  readonly done: Promise<void>;
  readonly job: number;
  readonly goOn: () => Promise<void>;
}

async function readMemory(proc: string, tasks: readonly Task[]): Promise<Buffer> {
  const pages = tasks.flatMap((task) => task.extents).reduce((sum, each) => sum + each.pages, 0);
  const memory = Buffer.alloc(pages * pageBytes);
  for (const { pid, extents } of tasks) {
    const file = await open(join(proc, String(pid), 'mem'));
    for (const { vaddr, pages: count, first } of extents) {
      for (let at = 0; at < count * pageBytes;) {
        const offset = first * pageBytes + at;
        const { bytesRead } = await file.read(memory, offset, count * pageBytes - at, vaddr + at);
        if (bytesRead === 0) throw new Error(`Failed to read the memory of ${String(pid)}`);
        at += bytesRead;
      }
    }
    await file.close();
  }
  return memory;
}
