import { FlickError } from '../../protocol/index.ts';
import { decodeBatch, pageKind, type ChunkRecord } from './batch.ts';
import { meantBytes } from './chunkReader.ts';
import {
  chunkBytes,
  chunkPages,
  contains,
  hasPage,
  include,
  pageBytes,
  runsOf,
  type Chunk,
  type PageMask,
} from './chunks.ts';
import { contentHash } from './contentHash.ts';
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
  readonly #buffer = Buffer.allocUnsafe(chunkBytes);
  #number = 0;

  constructor(image: MemoryImage) {
    this.#image = image;
  }

  get batches(): number {
    return this.#number;
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
    const { chunk, kinds, hash, pages } = record;
    const known = this.#image.known(place);
    const content = this.#buffer;
    const changed: PageMask = { low: 0, high: 0 };
    const needed = neededPages(chunk, kinds);
    if (!contains(known, needed)) return false;
    if (needed.low !== 0 || needed.high !== 0) await this.#image.read(place, content);
    let next = 0;
    for (let page = 0; page < chunkPages; page += 1) {
      if (!hasPage(chunk, page)) continue;
      const start = page * pageBytes;
      switch (kinds[page]) {
        case pageKind.zero:
          content.fill(0, start, start + pageBytes);
          break;
        case pageKind.delta:
          xorInto(content, start, pages[next++]);
          break;
        case pageKind.full:
          pages[next++]?.copy(content, start);
          break;
        default:
          continue;
      }
      include(changed, page, 1);
    }
    if ((await contentHash())(meantBytes(chunk, content)) !== hash) return false;
    for (const [first, count] of runsOf(changed))
      await this.#image.write(place, first, count, content);
    known.low = (known.low | chunk.low) >>> 0;
    known.high = (known.high | chunk.high) >>> 0;
    return true;
  }
}

/** Pages that are said in terms of the image. */
function neededPages(chunk: Chunk, kinds: Uint8Array): PageMask {
  const needed: PageMask = { low: 0, high: 0 };
  for (let page = 0; page < chunkPages; page += 1) {
    if (!hasPage(chunk, page)) continue;
    if (kinds[page] === pageKind.same || kinds[page] === pageKind.delta) include(needed, page, 1);
  }
  return needed;
}

function xorInto(content: Buffer, start: number, page: Buffer | undefined): void {
  if (page === undefined) return;
  // A copy, since words have to be aligned.
  const delta = Uint8Array.from(page);
  const words = pageBytes / 4;
  const into = new Uint32Array(content.buffer, content.byteOffset + start, words);
  const from = new Uint32Array(delta.buffer, 0, words);
  for (let word = 0; word < words; word += 1) into[word] = (into[word] ?? 0) ^ (from[word] ?? 0);
}
