import { constants } from 'node:fs';
import { link, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { makePrivateFolder } from '../processes/cells.ts';
import { readValidated, writeDurably, writeFailure } from '../state/durable.ts';
import { FlickError } from '../../protocol/index.ts';
import {
  chunkBytes,
  chunkPages,
  contains,
  exclude,
  hasPage,
  include,
  pageBytes,
  type Chunk,
  type PageMask,
} from './chunks.ts';

/** Most chunks of one process: 256 GiB. */
const maxChunks = 1 << 20;
const word = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff));
const index = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 41));

const imageRecord = v.object({
  version: v.literal(1),
  /** The state that both sides of a handoff had in common. */
  label: v.pipe(v.string(), v.regex(/^[0-9a-z-]{1,64}$/)),
  /** Batches that are in it. */
  applied: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** Task, chunk, and the pages that are known, low and high word; in the order of the page file. */
  chunks: v.pipe(v.array(v.tuple([word, index, word, word])), v.maxLength(maxChunks)),
});

/**
 * The memory of a process as the other side of a handoff last had it too: the page file, in which page n of chunk number c
 * lies at `(64 c + n) * 4096`, and which pages of it are known. Both sides keep one, so that the next move sends only what
 * is different. While it is open its record is gone from the disk: an image that was being changed when its agent was
 * killed is not trusted.
 */
export class MemoryImage {
  readonly folder: string;
  /** What the two sides called the state they had in common when it was saved; `null` for a new image. */
  readonly label: string | null;
  readonly applied: number;
  readonly #file: FileHandle;
  readonly #numbers = new Map<number, Map<number, number>>();
  /** Hashes of pages as they were seen in this image since it was opened, by number of their chunk. */
  readonly #hashes = new Map<number, PageMask & { readonly hashes: BigUint64Array }>();
  #writes = 0;
  readonly #order: { task: number; index: number; low: number; high: number }[];
  /** Numbers whose chunk was not there when the image was saved: others may have them. */
  readonly #free = new Set<number>();
  /** Numbers that were asked for since it was opened. */
  readonly #used = new Set<number>();

  private constructor(
    folder: string,
    file: FileHandle,
    record: v.InferOutput<typeof imageRecord> | undefined,
  ) {
    this.folder = folder;
    this.#file = file;
    this.label = record?.label ?? null;
    this.applied = record?.applied ?? 0;
    this.#order = (record?.chunks ?? []).map(([task, index, low, high]) => ({
      task,
      index,
      low,
      high,
    }));
    this.#order.forEach(({ task, index, low, high }, number) => {
      this.#enter(task, index, number);
      if (low === 0 && high === 0) this.#free.add(number);
    });
  }

  /** Opens what is there, or an empty one where there is nothing, or nothing that can be trusted. */
  static async open(folder: string): Promise<MemoryImage> {
    const record = await takeRecord(folder);
    // Never emptied in place: a keeper may still bring pages out of the file that has this name.
    if (record === undefined) await rm(pagesPath(folder), { force: true });
    return new MemoryImage(folder, await openPages(folder, constants.O_CREAT), record);
  }

  /**
   * Opens the image whose page file a keeper brings pages from.
   * @param label what the two sides called it; what was saved under another name, or not at all, is not trusted
   * @param pages that file, by whatever name it is still there
   * @param chunks in it, by their numbers, and what of them is known to be right; for an image that is not trusted
   */
  static async reopen(
    folder: string,
    label: string,
    pages: string,
    chunks: readonly Chunk[],
  ): Promise<MemoryImage> {
    const record = await takeRecord(folder);
    await rm(pagesPath(folder), { force: true });
    await link(pages, pagesPath(folder));
    const file = await openPages(folder, 0);
    if (record?.label === label) return new MemoryImage(folder, file, record);
    const image = new MemoryImage(folder, file, undefined);
    for (const { task, index, low, high } of chunks) {
      const known = image.known(image.numberOf(task, index));
      known.low = low;
      known.high = high;
    }
    return image;
  }

  get pagesPath(): string {
    return pagesPath(this.folder);
  }

  /** What it takes up on the disk, in bytes: the page file has holes. */
  async diskBytes(): Promise<number> {
    return (await this.#file.stat()).blocks * 512;
  }

  /** Chunks that have a place in the page file. */
  get size(): number {
    return this.#order.length;
  }

  /** The chunk's number in the page file; a chunk that is met for the first time gets one. @throws {FlickError} `transferFailed` */
  numberOf(task: number, index: number): number {
    const number = this.#numbers.get(task)?.get(index) ?? this.#newNumber(task, index);
    this.#free.delete(number);
    this.#used.add(number);
    return number;
  }

  /**
   * Lets go of chunks that were not asked for since it was opened: the process does not have them any more. Else the page
   * file of a process that lives long would grow with every address that it ever had.
   */
  dropUnused(): void {
    for (let number = 0; number < this.#order.length; number += 1) {
      if (!this.#used.has(number)) this.forget(number);
    }
  }

  /** The task and index of a chunk, by its number. */
  nameOf(number: number): { readonly task: number; readonly index: number } {
    const chunk = this.#order[number];
    if (chunk === undefined) throw new RangeError(`There is no chunk ${number}.`);
    return { task: chunk.task, index: chunk.index };
  }

  /** The pages of a chunk whose content both sides have. */
  known(number: number): PageMask {
    const chunk = this.#order[number];
    if (chunk === undefined) throw new RangeError(`There is no chunk ${number}.`);
    return chunk;
  }

  /** The hash of a page, where it has been seen since the image was opened. */
  hashOf(number: number, page: number): bigint | undefined {
    const known = this.#hashes.get(number);
    return known !== undefined && hasPage(known, page) ? known.hashes[page] : undefined;
  }

  /** The hashes of some pages, where all of them have been seen since the image was opened; the others are of no meaning. */
  hashesOf(number: number, pages: Readonly<PageMask>): BigUint64Array | undefined {
    const known = this.#hashes.get(number);
    return known !== undefined && contains(known, pages) ? known.hashes : undefined;
  }

  /** A page has that hash, until it is written. */
  setHash(number: number, page: number, hash: bigint): void {
    let known = this.#hashes.get(number);
    if (known === undefined) {
      known = { low: 0, high: 0, hashes: new BigUint64Array(chunkPages) };
      this.#hashes.set(number, known);
    }
    known.hashes[page] = hash;
    include(known, page, 1);
  }

  /** Changes whenever a page is written. */
  get writes(): number {
    return this.#writes;
  }

  /** Reads a whole chunk; what was never written reads as zeros. */
  async read(number: number, into: Buffer): Promise<void> {
    const { bytesRead } = await this.#file.read(into, 0, chunkBytes, number * chunkBytes);
    into.fill(0, bytesRead, chunkBytes);
  }

  /** Reads a page into a buffer of its own; what was never written reads as zeros. */
  async readPage(number: number, page: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(pageBytes);
    const at = number * chunkBytes + page * pageBytes;
    const { bytesRead } = await this.#file.read(bytes, 0, pageBytes, at);
    return bytes.fill(0, bytesRead);
  }

  /**
   * Gives the page file its full length. Not by truncate(2), which takes as long on ext4 as it takes to write out what the
   * file has got lately.
   */
  async fill(): Promise<void> {
    const length = this.#order.length * chunkBytes;
    if (length === 0 || (await this.#file.stat()).size >= length) return;
    try {
      await this.#file.write(Buffer.alloc(1), 0, 1, length - 1);
    } catch (error) {
      throw writeFailure(this.pagesPath, error);
    }
  }

  /** Writes pages of a chunk out of a buffer that holds the whole chunk. @throws {FlickError} `diskFull`, `internal` */
  async write(number: number, first: number, pages: number, chunk: Buffer): Promise<void> {
    const start = first * pageBytes;
    const length = pages * pageBytes;
    this.#writes += 1;
    const hashed = this.#hashes.get(number);
    for (let page = first; hashed !== undefined && page < first + pages; page += 1) {
      exclude(hashed, page);
    }
    try {
      for (let done = 0; done < length;) {
        const at = number * chunkBytes + start + done;
        const { bytesWritten } = await this.#file.write(chunk, start + done, length - done, at);
        done += bytesWritten;
      }
    } catch (error) {
      throw writeFailure(this.pagesPath, error);
    }
  }

  /** Nothing of a chunk is known any more. */
  forget(number: number): void {
    const chunk = this.known(number);
    chunk.low = 0;
    chunk.high = 0;
    this.#hashes.delete(number);
  }

  /** True when all these pages of the chunk are known. */
  knows(chunk: Chunk): boolean {
    const number = this.#numbers.get(chunk.task)?.get(chunk.index);
    return number !== undefined && contains(this.known(number), chunk);
  }

  /**
   * Closes it under a name that the other side uses too. The pages are not flushed: hashes travel with every chunk, so one
   * that a power cut took is noticed and sent whole.
   */
  async save(label: string, applied: number): Promise<void> {
    await this.#file.close();
    const chunks = this.#order.map(({ task, index, low, high }) => [
      task,
      index,
      low >>> 0,
      high >>> 0,
    ]);
    await writeDurably(
      recordPath(this.folder),
      JSON.stringify({ version: 1, label, applied, chunks }),
    );
  }

  /** Leaves it as it was opened: nothing of it was changed. */
  async restore(): Promise<void> {
    if (this.label === null) await this.close();
    else await this.save(this.label, this.applied);
  }

  /** Begins anew: the other side does not have what is here. */
  async clear(): Promise<void> {
    this.#numbers.clear();
    this.#free.clear();
    this.#used.clear();
    this.#order.length = 0;
    this.#hashes.clear();
    await this.#file.truncate(0);
  }

  /** Closes it; what it held is not trusted any more. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  #newNumber(task: number, index: number): number {
    const [free] = this.#free;
    const number = free ?? this.#order.length;
    if (number >= maxChunks)
      throw new FlickError('transferFailed', 'The process has more memory than can be moved.');
    const before = this.#order[number];
    if (before !== undefined) this.#numbers.get(before.task)?.delete(before.index);
    this.#order[number] = { task, index, low: 0, high: 0 };
    this.#enter(task, index, number);
    return number;
  }

  #enter(task: number, index: number, number: number): void {
    const chunks = this.#numbers.get(task);
    if (chunks === undefined) this.#numbers.set(task, new Map([[index, number]]));
    else chunks.set(index, number);
  }
}

/** What was saved; while the image is open there is no record of it. */
async function takeRecord(folder: string): Promise<v.InferOutput<typeof imageRecord> | undefined> {
  await makePrivateFolder(folder);
  const path = recordPath(folder);
  const record = await readValidated(path, imageRecord).catch(() => undefined);
  await rm(path, { force: true });
  return record;
}

function openPages(folder: string, flags: number): Promise<FileHandle> {
  return open(pagesPath(folder), constants.O_RDWR | constants.O_NOFOLLOW | flags, 0o600);
}

/** First page of a chunk in the page file, in pages. */
export function firstPage(number: number): number {
  return number * chunkPages;
}

function recordPath(folder: string): string {
  return join(folder, 'image.json');
}

function pagesPath(folder: string): string {
  return join(folder, 'pages');
}
