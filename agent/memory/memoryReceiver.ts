import { FlickError } from '../../protocol/index.ts';
import { allSame, decodeBatch, pageKind, type ChunkRecord } from './batch.ts';
import { ChunkBuffer } from './chunkBuffer.ts';
import {
  chunkPages,
  contains,
  hasPage,
  include,
  includeAll,
  pageBytes,
  runsOf,
  type Chunk,
  type PageMask,
} from './chunks.ts';
import { combinedHash, contentHash } from './contentHash.ts';
import { firstPage, type MemoryImage } from './memoryImage.ts';

/** Pages of the page file: first and count. */
export type PageRange = readonly [number, number];

export interface Applied {
  /** Batches received so far. */
  readonly number: number;
  /** Pages of the page file that are right as they are now. */
  readonly pages: readonly PageRange[];
  /** Chunks whose image was not what the source takes it for; what was known of them is forgotten. */
  readonly mistaken: readonly { readonly task: number; readonly index: number }[];
}

/** Brings a target's image of a process's memory up to date, batch by batch. */
export class MemoryReceiver {
  readonly #image: MemoryImage;
  readonly #buffer = new ChunkBuffer();
  #number = 0;

  constructor(image: MemoryImage) {
    this.#image = image;
  }

  get batches(): number {
    return this.#number;
  }

  /**
   * Looks at what an earlier move left here, while the process still runs: what turns out to be unchanged need then not be
   * read while it stands still.
   */
  async lookThrough(signal: AbortSignal): Promise<void> {
    const image = this.#image;
    const hash = await contentHash();
    const content = new ChunkBuffer();
    const { size } = image;
    for (let number = 0; number < size && !signal.aborted; number += 1) {
      const known = image.known(number);
      const isOpen = (page: number): boolean =>
        hasPage(known, page) && image.hashOf(number, page) === undefined;
      if (!content.pages.some((_, page) => isOpen(page))) continue;
      const before = image.writes;
      await image.read(number, content.bytes);
      if (image.writes !== before) continue;
      for (const [page, bytes] of content.pages.entries()) {
        if (isOpen(page)) image.setHash(number, page, hash(bytes));
      }
    }
  }

  /** @throws {FlickError} `transferFailed` for what is no batch, or not the next one; `diskFull` */
  async apply(frame: Buffer): Promise<Applied> {
    const { number, records } = await decodeBatch(frame);
    if (number !== this.#number + 1) {
      throw new FlickError('transferFailed', 'The memory arrived in the wrong order.');
    }
    const pages: PageRange[] = [];
    const mistaken: { task: number; index: number }[] = [];
    for (const record of records) {
      const { chunk } = record;
      const place = this.#image.numberOf(chunk.task, chunk.index);
      if (await this.#applyRecord(record, place)) {
        for (const [first, count] of runsOf(chunk)) pages.push([firstPage(place) + first, count]);
      } else {
        this.#image.forget(place);
        mistaken.push({ task: chunk.task, index: chunk.index });
      }
    }
    this.#number = number;
    return { number, pages, mistaken };
  }

  /** @returns false when the chunk is not then what the source says */
  async #applyRecord(record: ChunkRecord, place: number): Promise<boolean> {
    const { chunk, kinds, pages } = record;
    const image = this.#image;
    const known = image.known(place);
    if (!contains(known, kinds === allSame ? chunk : neededPages(chunk, kinds))) return false;
    const hash = await contentHash();
    const before = kinds === allSame ? image.hashesOf(place, chunk) : undefined;
    if (before !== undefined) return combinedHash(hash, chunk, before) === record.hash;
    const content = this.#buffer;
    const hashes = new BigUint64Array(chunkPages);
    const changed: PageMask = { low: 0, high: 0 };
    let next = 0;
    for (const [page, bytes] of content.pages.entries()) {
      if (!hasPage(chunk, page)) continue;
      switch (kinds[page]) {
        case pageKind.zero:
          bytes.fill(0);
          break;
        case pageKind.delta:
          (await image.readPage(place, page)).copy(bytes);
          xorInto(bytes, pages[next++]);
          break;
        case pageKind.full:
          pages[next++]?.copy(bytes);
          break;
        default:
          hashes[page] = image.hashOf(place, page) ?? hash(await image.readPage(place, page));
          continue;
      }
      hashes[page] = hash(bytes);
      include(changed, page, 1);
    }
    if (combinedHash(hash, chunk, hashes) !== record.hash) return false;
    for (const [first, count] of runsOf(changed))
      await image.write(place, first, count, content.bytes);
    includeAll(known, chunk);
    for (const page of content.pages.keys()) {
      if (hasPage(chunk, page)) image.setHash(place, page, hashes[page] ?? 0n);
    }
    return true;
  }
}

/** Pages that are said in terms of the image. */
function neededPages(chunk: Chunk, kinds: Readonly<Uint8Array>): PageMask {
  const needed: PageMask = { low: 0, high: 0 };
  for (let page = 0; page < chunkPages; page += 1) {
    if (!hasPage(chunk, page)) continue;
    if (kinds[page] === pageKind.same || kinds[page] === pageKind.delta) include(needed, page, 1);
  }
  return needed;
}

function xorInto(content: Buffer, page: Buffer | undefined): void {
  if (page === undefined) return;
  // A copy, since words have to be aligned.
  const delta = Uint8Array.from(page);
  const words = pageBytes / 4;
  const into = new Uint32Array(content.buffer, content.byteOffset, words);
  const from = new Uint32Array(delta.buffer, 0, words);
  for (let word = 0; word < words; word += 1) into[word] = (into[word] ?? 0) ^ (from[word] ?? 0);
}
