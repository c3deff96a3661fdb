import createHashes from 'xxhash-wasm';
import { chunkPages, hasPage, type PageMask } from './chunks.ts';

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
  const meant = Buffer.alloc(8 * chunkPages);
  let length = 0;
  for (let page = 0; page < chunkPages; page += 1) {
    if (hasPage(pages, page)) length = meant.writeBigUInt64LE(hashes[page] ?? 0n, length);
  }
  return hash(meant.subarray(0, length));
}
