import createHashes from 'xxhash-wasm';
import { chunkPages, runsOf, type PageMask } from './chunks.ts';

/** XXH64 (https://xxhash.com), 8 bytes: what says that both sides hold the same pages. Against mistakes, not attackers. */
export type ContentHash = (content: Uint8Array) => bigint;

let loading: Promise<ContentHash> | undefined;

export function contentHash(): Promise<ContentHash> {
  loading ??= createHashes().then(
    ({ h64Raw }) =>
      (content) =>
        h64Raw(content),
  );
  return loading;
}

/** The hash of some pages of a chunk: that of their hashes, one after the other, little-endian. */
export function combinedHash(
  hash: ContentHash,
  pages: Readonly<PageMask>,
  hashes: BigUint64Array,
): bigint {
  const bytes = Buffer.from(hashes.buffer, hashes.byteOffset, 8 * chunkPages);
  const runs = runsOf(pages).map(([first, count]) =>
    bytes.subarray(8 * first, 8 * (first + count)),
  );
  const [only] = runs;
  return hash(only !== undefined && runs.length === 1 ? only : Buffer.concat(runs));
}
