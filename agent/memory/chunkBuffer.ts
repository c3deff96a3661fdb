import { chunkBytes, chunkPages, pageBytes } from './chunks.ts';

/** Room for the bytes of a chunk, as a whole and by page. */
export class ChunkBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(chunkBytes);
  readonly pages: readonly Buffer[] = Array.from({ length: chunkPages }, (_, page) =>
    this.bytes.subarray(page * pageBytes, (page + 1) * pageBytes),
  );

  /** @throws {RangeError} when a chunk has no such page */
  page(page: number): Buffer {
    const bytes = this.pages[page];
    if (bytes === undefined) throw new RangeError(`There is no page ${page} in a chunk.`);
    return bytes;
  }
}
