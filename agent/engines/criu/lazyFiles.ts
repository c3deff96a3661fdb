import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  chunkBytes,
  chunkPages,
  include,
  pageBytes,
  type Chunk,
  type PageMask,
} from '../../memory/chunks.ts';
import type { MemoryImage } from '../../memory/memoryImage.ts';
import type { PageRange } from '../../memory/memoryReceiver.ts';
import { writeFailure } from '../../state/durable.ts';
import { damagedImage } from './images.ts';
import type { LeftOut } from './pagemap.ts';

const magic = 'FLKLAZY1';
/** Bit of an address in the index: the page is not a forked child's. */
const notInherited = 1n;

/** A run of pages and where it begins in the page file, in pages. */
interface PlacedRun {
  readonly task: number;
  readonly address: number;
  readonly pages: number;
  readonly first: number;
  /** A fork does not inherit it. */
  readonly wiped: boolean;
}

/**
 * Writes what the keeper needs to bring the memory of a restore (agent/keeper/README.md, "Post-copy"): where each page is,
 * the page file, and which pages are there already. To be done before CRIU restores.
 * @throws {FlickError} `diskFull`
 */
export async function writeLazyFiles(
  folder: string,
  leftOut: LeftOut,
  memory: MemoryImage,
  arrived: readonly PageRange[],
): Promise<void> {
  const runs = place(leftOut, memory);
  const bitmap = Buffer.alloc(Math.ceil((memory.size * chunkPages) / 8));
  for (const [first, count] of arrived) {
    for (let page = first; page < first + count; page += 1) {
      bitmap.writeUInt8(bitmap.readUInt8(page >> 3) | (1 << (page & 7)), page >> 3);
    }
  }
  const path = join(folder, 'lazy.pages');
  try {
    await memory.fill();
    await rm(path, { force: true });
    await link(memory.pagesPath, path);
    await writeFile(join(folder, 'lazy.index'), indexOf(leftOut.tasks, runs), { mode: 0o600 });
    await writeFile(join(folder, 'lazy.arrived'), bitmap, { mode: 0o600 });
  } catch (error) {
    throw writeFailure(folder, error);
  }
}

/** What the files of a restore say that a keeper of an earlier daemon brings the memory of. */
export interface LazyFiles {
  readonly pagesPath: string;
  /** In the order of the page file, with the pages that have arrived. */
  readonly chunks: readonly Chunk[];
  /** Those that have not, of chunks that lack any. */
  readonly missing: readonly Chunk[];
}

/** @throws {FlickError} `restoreFailed` when they are not as {@link writeLazyFiles} wrote them */
export async function readLazyFiles(folder: string): Promise<LazyFiles> {
  const indexPath = join(folder, 'lazy.index');
  const index = await readFile(indexPath);
  const arrived = await readFile(join(folder, 'lazy.arrived'));
  const byNumber = new Map<number, Chunk>();
  const missing = new Map<number, Chunk>();
  try {
    for (const { task, address, pages, first } of readIndex(index)) {
      for (let page = 0; page < pages; page += 1) {
        const at = first + page;
        const number = Math.floor(at / chunkPages);
        const name = { task, index: Math.floor((address / pageBytes + page) / chunkPages) };
        const isHere = ((arrived.readUInt8(at >> 3) >> (at & 7)) & 1) === 1;
        const chunk = chunkOf(byNumber, number, name);
        include(isHere ? chunk : chunkOf(missing, number, name), at % chunkPages, 1);
      }
    }
  } catch (error) {
    throw damagedImage(indexPath, error);
  }
  // Chunks that the index does not name have places too; what lies there is nobody's.
  const chunks = Array.from(
    { length: Math.floor((arrived.length * 8) / chunkPages) },
    (_, number) => byNumber.get(number) ?? { task: 0, index: number, low: 0, high: 0 },
  );
  return { pagesPath: join(folder, 'lazy.pages'), chunks, missing: [...missing.values()] };
}

function chunkOf(
  chunks: Map<number, Chunk>,
  number: number,
  name: Pick<Chunk, 'task' | 'index'>,
): Chunk {
  const known = chunks.get(number);
  if (known !== undefined) return known;
  const chunk: Chunk & PageMask = { ...name, low: 0, high: 0 };
  chunks.set(number, chunk);
  return chunk;
}

/** @throws {RangeError} when it is cut short */
function* readIndex(index: Buffer): Generator<Omit<PlacedRun, 'wiped'>> {
  let at = 16;
  for (let tasks = index.readUInt32LE(8); tasks > 0; tasks -= 1) {
    const task = index.readUInt32LE(at);
    let entries = index.readUInt32LE(at + 4);
    for (at += 8; entries > 0; entries -= 1, at += 24) {
      yield {
        task,
        address: Number(index.readBigUInt64LE(at) & ~notInherited),
        pages: Number(index.readBigUInt64LE(at + 8)),
        first: Number(index.readBigUInt64LE(at + 16)),
      };
    }
  }
}

/** Runs end where the page file has another order than the addresses. */
function place({ pages, wiped }: LeftOut, memory: MemoryImage): PlacedRun[] {
  const placed: { task: number; address: number; pages: number; first: number; wiped: boolean }[] =
    [];
  for (const run of pages) {
    // A mapping's advice is that of all its pages; runs of a pagemap can span mappings.
    for (let address = run.address, end = address + run.pages * pageBytes; address < end;) {
      const index = Math.floor(address / chunkBytes);
      const within = (address - index * chunkBytes) / pageBytes;
      const isWiped = wiped.some(
        ({ task, start, end: last }) => task === run.task && address >= start && address < last,
      );
      const edge = nextEdge(wiped, run.task, address);
      const count = Math.min(chunkPages - within, (Math.min(end, edge) - address) / pageBytes);
      const first = memory.numberOf(run.task, index) * chunkPages + within;
      const last = placed.at(-1);
      const follows =
        last !== undefined &&
        last.task === run.task &&
        last.address + last.pages * pageBytes === address &&
        last.first + last.pages === first &&
        last.wiped === isWiped;
      if (follows) last.pages += count;
      else placed.push({ task: run.task, address, pages: count, first, wiped: isWiped });
      address += count * pageBytes;
    }
  }
  return placed;
}

/** Where the next mapping that a fork does not inherit begins or ends behind an address; Infinity without one. */
function nextEdge(wiped: LeftOut['wiped'], task: number, address: number): number {
  let edge = Infinity;
  for (const each of wiped) {
    if (each.task !== task) continue;
    if (each.start > address) edge = Math.min(edge, each.start);
    if (each.end > address) edge = Math.min(edge, each.end);
  }
  return edge;
}

function indexOf(tasks: readonly number[], runs: readonly PlacedRun[]): Buffer {
  const byTask = grouped(tasks, runs);
  const header = Buffer.alloc(16);
  header.write(magic, 0, 'latin1');
  header.writeUInt32LE(byTask.size, 8);
  const parts = [header];
  for (const [task, entries] of byTask) {
    const part = Buffer.alloc(8 + entries.length * 24);
    part.writeUInt32LE(task, 0);
    part.writeUInt32LE(entries.length, 4);
    for (const [index, { address, pages, first, wiped }] of entries.entries()) {
      const at = 8 + index * 24;
      part.writeBigUInt64LE(BigInt(address) | (wiped ? notInherited : 0n), at);
      part.writeBigUInt64LE(BigInt(pages), at + 8);
      part.writeBigUInt64LE(BigInt(first), at + 16);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Every task, in the order of its addresses; one without such pages too, since its restore tells the keeper of it. */
function grouped(tasks: readonly number[], runs: readonly PlacedRun[]): Map<number, PlacedRun[]> {
  const byTask = new Map<number, PlacedRun[]>(tasks.map((each) => [each, []]));
  for (const run of runs) byTask.get(run.task)?.push(run);
  for (const entries of byTask.values()) entries.sort((a, b) => a.address - b.address);
  return byTask;
}
