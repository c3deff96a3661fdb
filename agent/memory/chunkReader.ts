import { FlickError } from '../../protocol/index.ts';
import { pageKind, type ChunkRecord } from './batch.ts';
import { ChunkBuffer } from './chunkBuffer.ts';
import {
  chunkBytes,
  chunkPages,
  contains,
  exclude,
  hasPage,
  include,
  pageBytes,
  runsOf,
  type Chunk,
  type PageMask,
} from './chunks.ts';
import { combinedHash, type ContentHash } from './contentHash.ts';
import type { MemoryImage } from './memoryImage.ts';
import type { ProcessMemory } from './processMemory.ts';

const zeroPage = Buffer.alloc(pageBytes);

/** Compares the memory of a process with the image that both sides have, and brings the image up to date. */
export class ChunkReader {
  readonly #memory: ProcessMemory;
  readonly #image: MemoryImage;
  readonly #hash: ContentHash;
  #buffers: ChunkBuffer[] = [];

  constructor(memory: ProcessMemory, image: MemoryImage, hash: ContentHash) {
    this.#memory = memory;
    this.#image = image;
    this.#hash = hash;
  }

  /**
   * What is to be said of a chunk; the image holds it then.
   * @param frozen pages that cannot be read are an error, and what is unchanged is said too
   * @returns undefined when there is nothing to say
   */
  async compare(chunk: Chunk, frozen: boolean): Promise<ChunkRecord | undefined> {
    const current = this.#buffers.pop() ?? new ChunkBuffer();
    try {
      const meant: Chunk = { ...chunk };
      await this.#read(meant, current.bytes, frozen);
      if (meant.low === 0 && meant.high === 0) return undefined;
      const number = this.#image.numberOf(meant.task, meant.index);
      const hashes = this.#hashes(meant, current);
      const same = await this.#samePages(number, meant, current, hashes);
      const isUnchanged = contains(same, meant);
      if (isUnchanged && !frozen) return undefined;
      const record = await this.#record(number, meant, same, current, hashes);
      if (!isUnchanged) await this.#keep(number, meant, same, current, hashes);
      return record;
    } finally {
      this.#buffers.push(current);
    }
  }

  async #read(chunk: Chunk, into: Buffer, frozen: boolean): Promise<void> {
    for (const [first, count] of runsOf(chunk)) {
      const address = chunk.index * chunkBytes + first * pageBytes;
      const [offset, length] = [first * pageBytes, count * pageBytes];
      if (await this.#memory.read(chunk.task, address, into, offset, length, frozen)) continue;
      if (frozen) {
        throw new FlickError(
          'dumpFailed',
          'A part of the memory of the process could not be read.',
          {
            remedy: 'Try again. It runs on where it was.',
          },
        );
      }
      // Given back meanwhile.
      for (let page = first; page < first + count; page += 1) exclude(chunk, page);
    }
  }

  #hashes(chunk: Chunk, current: ChunkBuffer): BigUint64Array {
    const hashes = new BigUint64Array(chunkPages);
    for (const [page, bytes] of current.pages.entries()) {
      if (hasPage(chunk, page)) hashes[page] = this.#hash(bytes);
    }
    return hashes;
  }

  /** Which of the pages are in the image as they are now. */
  async #samePages(
    number: number,
    chunk: Chunk,
    current: ChunkBuffer,
    hashes: BigUint64Array,
  ): Promise<PageMask> {
    const image = this.#image;
    const known = image.known(number);
    const same: PageMask = { low: 0, high: 0 };
    let base: ChunkBuffer | undefined;
    try {
      for (const [page, bytes] of current.pages.entries()) {
        if (!hasPage(chunk, page) || !hasPage(known, page)) continue;
        const before = image.hashOf(number, page);
        if (before !== undefined) {
          if (before === hashes[page]) include(same, page, 1);
          continue;
        }
        if (base === undefined) {
          base = this.#buffers.pop() ?? new ChunkBuffer();
          await image.read(number, base.bytes);
        }
        if (!bytes.equals(base.page(page))) continue;
        include(same, page, 1);
        image.setHash(number, page, hashes[page] ?? 0n);
      }
      return same;
    } finally {
      if (base !== undefined) this.#buffers.push(base);
    }
  }

  async #record(
    number: number,
    chunk: Chunk,
    same: Readonly<PageMask>,
    current: ChunkBuffer,
    hashes: BigUint64Array,
  ): Promise<ChunkRecord> {
    const known = this.#image.known(number);
    const kinds = new Uint8Array(chunkPages);
    const pages: Buffer[] = [];
    for (const [page, bytes] of current.pages.entries()) {
      if (!hasPage(chunk, page) || hasPage(same, page)) continue;
      if (bytes.equals(zeroPage)) kinds[page] = pageKind.zero;
      else if (hasPage(known, page)) {
        kinds[page] = pageKind.delta;
        pages.push(xor(bytes, await this.#image.readPage(number, page)));
      } else {
        kinds[page] = pageKind.full;
        pages.push(Buffer.from(bytes));
      }
    }
    return { chunk, kinds, hash: combinedHash(this.#hash, chunk, hashes), pages };
  }

  async #keep(
    number: number,
    chunk: Chunk,
    same: Readonly<PageMask>,
    current: ChunkBuffer,
    hashes: BigUint64Array,
  ): Promise<void> {
    const changed: PageMask = { low: chunk.low & ~same.low, high: chunk.high & ~same.high };
    for (const [first, count] of runsOf(changed)) {
      await this.#image.write(number, first, count, current.bytes);
      for (let page = first; page < first + count; page += 1) {
        this.#image.setHash(number, page, hashes[page] ?? 0n);
      }
    }
    const known = this.#image.known(number);
    known.low = (known.low | chunk.low) >>> 0;
    known.high = (known.high | chunk.high) >>> 0;
  }
}

/** XOR of two pages. */
export function xor(one: Buffer, other: Buffer): Buffer {
  const result = Buffer.allocUnsafeSlow(pageBytes);
  const words = pageBytes / 4;
  const a = new Uint32Array(one.buffer, one.byteOffset, words);
  const b = new Uint32Array(other.buffer, other.byteOffset, words);
  const into = new Uint32Array(result.buffer, 0, words);
  for (let word = 0; word < words; word += 1) into[word] = (a[word] ?? 0) ^ (b[word] ?? 0);
  return result;
}
