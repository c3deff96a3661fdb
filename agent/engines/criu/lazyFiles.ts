import { link, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chunkBytes, chunkPages, pageBytes, type PageRun } from '../../memory/chunks.ts';
import type { MemoryImage } from '../../memory/memoryImage.ts';
import type { PageRange } from '../../memory/memoryReceiver.ts';
import { writeFailure } from '../../state/durable.ts';

const magic = 'FLKLAZY1';

/** A run of pages and where it begins in the page file, in pages. */
interface PlacedRun {
  readonly task: number;
  readonly address: number;
  readonly pages: number;
  readonly first: number;
}

/**
 * Writes what the keeper needs to bring the memory of a restore (agent/keeper/README.md, "Post-copy"): where each page is,
 * the page file, and which pages are there already. To be done before CRIU restores.
 * @throws {FlickError} `diskFull`
 */
export async function writeLazyFiles(
  folder: string,
  pages: readonly PageRun[],
  memory: MemoryImage,
  arrived: readonly PageRange[],
): Promise<void> {
  const runs = place(pages, memory);
  const bitmap = Buffer.alloc(Math.ceil((memory.size * chunkPages) / 8));
  for (const [first, count] of arrived) {
    for (let page = first; page < first + count; page += 1) {
      bitmap.writeUInt8(bitmap.readUInt8(page >> 3) | (1 << (page & 7)), page >> 3);
    }
  }
  const path = join(folder, 'lazy.pages');
  try {
    await truncate(memory.pagesPath, memory.size * chunkBytes);
    await rm(path, { force: true });
    await link(memory.pagesPath, path);
    await writeFile(join(folder, 'lazy.index'), indexOf(runs), { mode: 0o600 });
    await writeFile(join(folder, 'lazy.arrived'), bitmap, { mode: 0o600 });
  } catch (error) {
    throw writeFailure(folder, error);
  }
}

/** Runs end where the page file has another order than the addresses. */
function place(pages: readonly PageRun[], memory: MemoryImage): PlacedRun[] {
  const placed: { task: number; address: number; pages: number; first: number }[] = [];
  for (const run of pages) {
    for (let address = run.address, end = address + run.pages * pageBytes; address < end;) {
      const index = Math.floor(address / chunkBytes);
      const within = (address - index * chunkBytes) / pageBytes;
      const count = Math.min(chunkPages - within, (end - address) / pageBytes);
      const first = memory.numberOf(run.task, index) * chunkPages + within;
      const last = placed.at(-1);
      const follows =
        last !== undefined &&
        last.task === run.task &&
        last.address + last.pages * pageBytes === address &&
        last.first + last.pages === first;
      if (follows) last.pages += count;
      else placed.push({ task: run.task, address, pages: count, first });
      address += count * pageBytes;
    }
  }
  return placed;
}

function indexOf(runs: readonly PlacedRun[]): Buffer {
  const tasks = grouped(runs);
  const header = Buffer.alloc(16);
  header.write(magic, 0, 'latin1');
  header.writeUInt32LE(tasks.size, 8);
  const parts = [header];
  for (const [task, entries] of tasks) {
    const part = Buffer.alloc(8 + entries.length * 24);
    part.writeUInt32LE(task, 0);
    part.writeUInt32LE(entries.length, 4);
    for (const [index, { address, pages, first }] of entries.entries()) {
      const at = 8 + index * 24;
      part.writeBigUInt64LE(BigInt(address), at);
      part.writeBigUInt64LE(BigInt(pages), at + 8);
      part.writeBigUInt64LE(BigInt(first), at + 16);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function grouped(runs: readonly PlacedRun[]): Map<number, PlacedRun[]> {
  const tasks = new Map<number, PlacedRun[]>();
  for (const run of runs) {
    const known = tasks.get(run.task);
    if (known === undefined) tasks.set(run.task, [run]);
    else known.push(run);
  }
  for (const entries of tasks.values()) entries.sort((a, b) => a.address - b.address);
  return tasks;
}
