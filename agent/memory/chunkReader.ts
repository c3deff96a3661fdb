import { FlickError } from '../../protocol/index.ts';
import { allSame, pageKind, type ChunkRecord } from './batch.ts';
import { ChunkBuffer } from './chunkBuffer.ts';
import {
  chunkBytes,
  chunkPages,
  contains,
  exclude,
  excludeAll,
  hasPage,
  include,
  includeAll,
  isEmpty,
  pageBytes,
  runsOf,
  type Chunk,
  type PageMask,
} from './chunks.ts';
import { combinedHash, type ContentHash } from './contentHash.ts';
import type { CleanPages } from './dirtyPages.ts';
import type { MemoryImage } from './memoryImage.ts';
import type { ProcessMemory } from './processMemory.ts';

const zeroPage = Buffer.alloc(pageBytes);

export interface ChunkReaderOptions {
  readonly memory: ProcessMemory;
  readonly image: MemoryImage;
  readonly hash: ContentHash;
  /**
   * Where the writes of the process are watched: pages that are compared while it runs join them, and those that are among
   * them need no look once it stands still.
   */
  readonly clean: CleanPages | undefined;
}

/** Compares the memory of a process with the image that both sides have, and brings the image up to date. */
export class ChunkReader {
  readonly #memory: ProcessMemory;
  readonly #image: MemoryImage;
  readonly #hash: ContentHash;
  readonly #clean: CleanPages | undefined;
  #buffers: ChunkBuffer[] = [];

  constructor(options: ChunkReaderOptions) {
    this.#memory = options.memory;
    this.#image = options.image;
    this.#hash = options.hash;
    this.#clean = options.clean;
  }

  /**
   * What is to be said of a chunk; the image holds it then.
   * @param frozen pages that cannot be read are an error, and what is unchanged is said too
   * @returns undefined when there is nothing to say
   */
  async compare(chunk: Chunk, frozen: boolean): Promise<ChunkRecord | undefined> {
    const untouched = frozen ? this.#untouched(chunk) : undefined;
    if (untouched !== undefined) return untouched;
    const current = this.#buffers.pop() ?? new ChunkBuffer();
    try {
      const number = this.#image.numberOf(chunk.task, chunk.index);
      const hashes = new BigUint64Array(chunkPages);
      const same = frozen ? this.#cleanPages(number, chunk, hashes) : { low: 0, high: 0 };
      const open: Chunk = { ...chunk };
      excludeAll(open, same);
      await this.#read(open, current.bytes, frozen);
      const meant: Chunk = { ...open };
      includeAll(meant, same);
      if (isEmpty(meant)) return undefined;
      this.#hashPages(open, current, hashes);
      await this.#findSame(number, open, { current, hashes, same });
      if (!frozen) this.#clean?.add(meant);
      const isUnchanged = contains(same, meant);
      if (isUnchanged && !frozen) return undefined;
      const record = await this.#record(number, meant, same, current, hashes);
      if (!isUnchanged) await this.#keep(number, meant, same, current, hashes);
      return record;
    } finally {
      this.#buffers.push(current);
    }
  }

  /** What is to be said of a chunk that nobody has written since it was compared. */
  #untouched(chunk: Chunk): ChunkRecord | undefined {
    const clean = this.#clean?.of(chunk);
    if (clean === undefined || !contains(clean, chunk)) return undefined;
    const number = this.#image.numberOf(chunk.task, chunk.index);
    if (!contains(this.#image.known(number), chunk)) return undefined;
    const hashes = this.#image.hashesOf(number, chunk);
    if (hashes === undefined) return undefined;
    return { chunk, kinds: allSame, hash: combinedHash(this.#hash, chunk, hashes), pages: [] };
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

  /** Which of the pages need no look: nobody has written them since they were compared. Their hashes are filled in. */
  #cleanPages(number: number, chunk: Chunk, hashes: BigUint64Array): PageMask {
    const found: PageMask = { low: 0, high: 0 };
    const clean = this.#clean?.of(chunk);
    if (clean === undefined || isEmpty(clean)) return found;
    const known = this.#image.known(number);
    const [low, high] = [chunk.low & clean.low & known.low, chunk.high & clean.high & known.high];
    for (let page = 0; page < chunkPages; page += 1) {
      if (!hasPage({ low, high }, page)) continue;
      const hash = this.#image.hashOf(number, page);
      if (hash === undefined) continue;
      hashes[page] = hash;
      include(found, page, 1);
    }
    return found;
  }

  #hashPages(chunk: Chunk, current: ChunkBuffer, hashes: BigUint64Array): void {
    if (isEmpty(chunk)) return;
    for (const [page, bytes] of current.pages.entries()) {
      if (hasPage(chunk, page)) hashes[page] = this.#hash(bytes);
    }
  }

  /** Adds to `same` which of the pages are in the image as they are now. */
  async #findSame(
    number: number,
    chunk: Chunk,
    { current, hashes, same }: { current: ChunkBuffer; hashes: BigUint64Array; same: PageMask },
  ): Promise<void> {
    if (isEmpty(chunk)) return;
    const image = this.#image;
    const known = image.known(number);
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
    const changed: PageMask = { low: chunk.low, high: chunk.high };
    excludeAll(changed, same);
    for (const [first, count] of runsOf(changed)) {
      await this.#image.write(number, first, count, current.bytes);
      for (let page = first; page < first + count; page += 1) {
        this.#image.setHash(number, page, hashes[page] ?? 0n);
      }
    }
    includeAll(this.#image.known(number), chunk);
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
