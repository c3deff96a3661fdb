import createHashes from 'xxhash-wasm';

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
