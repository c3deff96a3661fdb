import { FlickError } from '../../protocol/index.ts';
import { pageKind, type ChunkRecord } from './batch.ts';
import {
  chunkBytes,
  chunkPages,
  contains,
  exclude,
  hasPage,
  isFull,
  pageBytes,
  runsOf,
  type Chunk,
  type PageMask,
} from './chunks.ts';
import type { ContentHash } from './contentHash.ts';
import type { MemoryImage } from './memoryImage.ts';
import type { ProcessMemory } from './processMemory.ts';

const zeroPage = Buffer.alloc(pageBytes);

/** Compares the memory of a process with the image that both sides have, and brings the image up to date. */
export class ChunkReader {
  readonly #memory: ProcessMemory;
  readonly #image: MemoryImage;
  readonly #hash: ContentHash;
  #buffers: Buffer[] = [];

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
    const current = this.#buffers.pop() ?? Buffer.allocUnsafe(chunkBytes);
    const base = this.#buffers.pop() ?? Buffer.allocUnsafe(chunkBytes);
    try {
      const meant: Chunk = { ...chunk };
      await this.#read(meant, current, frozen);
      if (meant.low === 0 && meant.high === 0) return undefined;
      const number = this.#image.numberOf(meant.task, meant.index);
      const known = this.#image.known(number);
      if ((known.low & meant.low) !== 0 || (known.high & meant.high) !== 0) {
        await this.#image.read(number, base);
        if (!frozen && isFull(meant) && isFull(known) && current.equals(base)) return undefined;
      }
      const record = this.#record(meant, known, current, base);
      if (
        !frozen &&
        record.kinds.every((kind) => kind === pageKind.same) &&
        contains(known, meant)
      ) {
        return undefined;
      }
      await this.#keep(record, number, current);
      return record;
    } finally {
      this.#buffers.push(current, base);
    }
  }

  async #read(chunk: Chunk, into: Buffer, frozen: boolean): Promise<void> {
    for (const [first, count] of runsOf(chunk)) {
      const address = chunk.index * chunkBytes + first * pageBytes;
      if (await this.#memory.read(chunk.task, address, into, first * pageBytes, count * pageBytes))
        continue;
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

  #record(chunk: Chunk, known: Readonly<PageMask>, current: Buffer, base: Buffer): ChunkRecord {
    const kinds = new Uint8Array(chunkPages);
    const pages: Buffer[] = [];
    for (let page = 0; page < chunkPages; page += 1) {
      if (!hasPage(chunk, page)) continue;
      const start = page * pageBytes;
      const end = start + pageBytes;
      if (hasPage(known, page)) {
        if (current.compare(base, start, end, start, end) === 0) continue;
        if (current.compare(zeroPage, 0, pageBytes, start, end) === 0) kinds[page] = pageKind.zero;
        else {
          kinds[page] = pageKind.delta;
          pages.push(xor(current, base, start));
        }
      } else if (current.compare(zeroPage, 0, pageBytes, start, end) === 0) {
        kinds[page] = pageKind.zero;
      } else {
        kinds[page] = pageKind.full;
        pages.push(Buffer.from(current.subarray(start, end)));
      }
    }
    return { chunk, kinds, hash: this.#hash(meantBytes(chunk, current)), pages };
  }

  async #keep({ chunk, kinds }: ChunkRecord, number: number, current: Buffer): Promise<void> {
    const changed: PageMask = { low: 0, high: 0 };
    for (let page = 0; page < chunkPages; page += 1) {
      if (kinds[page] === pageKind.same) continue;
      if (page < 32) changed.low |= 1 << page;
      else changed.high |= 1 << (page - 32);
    }
    for (const [first, count] of runsOf(changed))
      await this.#image.write(number, first, count, current);
    const known = this.#image.known(number);
    known.low = (known.low | chunk.low) >>> 0;
    known.high = (known.high | chunk.high) >>> 0;
  }
}

/** The bytes of the meant pages one after the other: what a record's hash is of. */
export function meantBytes(mask: Readonly<PageMask>, chunk: Buffer): Buffer {
  const runs = runsOf(mask);
  const [only] = runs;
  const parts = runs.map(([first, count]) =>
    chunk.subarray(first * pageBytes, (first + count) * pageBytes),
  );
  return runs.length === 1 && only !== undefined
    ? (parts[0] ?? Buffer.alloc(0))
    : Buffer.concat(parts);
}

/** XOR of one page of two chunks. */
export function xor(first: Buffer, second: Buffer, start: number): Buffer {
  const result = Buffer.allocUnsafeSlow(pageBytes);
  const words = pageBytes / 4;
  const a = new Uint32Array(first.buffer, first.byteOffset + start, words);
  const b = new Uint32Array(second.buffer, second.byteOffset + start, words);
  const into = new Uint32Array(result.buffer, 0, words);
  for (let word = 0; word < words; word += 1) into[word] = (a[word] ?? 0) ^ (b[word] ?? 0);
  return result;
}
