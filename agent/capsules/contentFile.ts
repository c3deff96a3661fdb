import { open } from 'node:fs/promises';
import type { FlickError } from '../../protocol/index.ts';
import { blockBytes } from './blockCodec.ts';
import { damagedBlock, type BlockStore } from './blockStore.ts';
import type { Content } from './capsuleManifest.ts';

/** Blocks that are hashed and compressed at a time: the threads of Node's pool, and some MiB of memory. */
const atOnce = 4;

export interface StoreOptions {
  readonly signal: AbortSignal;
  /** Called with the bytes that were stored. */
  readonly onProgress: (bytes: number) => void;
}

/**
 * Stores the content of a file. Every block that was put is added to `held` at once, also when this fails.
 * @throws {FlickError} `diskFull`, `internal`; the signal's reason
 */
export async function storeFile(
  path: string,
  blocks: BlockStore,
  held: string[],
  options: StoreOptions,
): Promise<Content> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const count = Math.ceil(size / blockBytes);
    const digests = new Array<string>(count);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) {
        options.signal.throwIfAborted();
        const start = index * blockBytes;
        const buffer = Buffer.allocUnsafe(Math.min(blockBytes, size - start));
        let filled = 0;
        while (filled < buffer.length) {
          const { bytesRead } = await file.read(
            buffer,
            filled,
            buffer.length - filled,
            start + filled,
          );
          if (bytesRead === 0) throw new Error(`${path} ended early.`);
          filled += bytesRead;
        }
        const digest = await blocks.put(buffer);
        held.push(digest);
        digests[index] = digest;
        options.onProgress(buffer.length);
      }
    };
    const results = await Promise.allSettled(Array.from({ length: atOnce }, work));
    for (const each of results) if (each.status === 'rejected') throw each.reason as FlickError;
    return { size, blocks: digests };
  } finally {
    await file.close();
  }
}

/** The content's blocks in their order, each verified. @throws {FlickError} `capsuleDamaged` */
export async function* readContent(content: Content, blocks: BlockStore): AsyncGenerator<Buffer> {
  let left = content.size;
  for (const digest of content.blocks) {
    const data = await blocks.get(digest);
    if (data.length !== Math.min(left, blockBytes)) {
      throw damagedBlock(digest, 'it has another length than the capsule says');
    }
    left -= data.length;
    yield data;
  }
}
