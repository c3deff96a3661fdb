import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { FlickError } from '../../protocol/index.ts';

const chunkBytes = 1 << 20;
const maxCached = 300_000;
/**
 * A file touched this shortly before it was hashed may change again without a new timestamp: the kernel's file times
 * advance by a tick only (up to 10 ms), and some file systems keep whole seconds (Git calls this "racily clean").
 */
const settledMs = 2500;

export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  /** Never answer from the cache: for files that are mapped shared and writable, whose times lag behind (mmap(2)). */
  readonly fresh?: boolean | undefined;
}

/** SHA-256 of files, remembered by identity and times. Reads in chunks of 1 MiB, so the event loop stays free. */
export class Hasher {
  readonly #known = new Map<string, string>();

  /**
   * @returns lower-case hex, and the status that belongs to it; undefined when the file changed while it was read
   * @throws {FlickError} `cancelled`; errno errors of read(2)
   */
  async hash(file: FileHandle, options: HashOptions = {}): Promise<Hashed | undefined> {
    const status = await file.stat({ bigint: true });
    const key = identityOf(status);
    const known = options.fresh === true ? undefined : this.#known.get(key);
    if (known !== undefined) return { sha256: known, status };
    const startedMs = Date.now();
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(1, Number(status.size))));
    let position = 0;
    for (;;) {
      throwIfCancelled(options.signal);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      position += bytesRead;
      if (position > Number(status.size)) return undefined;
    }
    const after = await file.stat({ bigint: true });
    if (position !== Number(status.size) || identityOf(after) !== key) return undefined;
    const sha256 = hash.digest('hex');
    if (startedMs - Number(latest(status.mtimeMs, status.ctimeMs)) > settledMs) {
      this.#remember(key, sha256);
    }
    return { sha256, status };
  }

  /** The hash of a file that was not touched since it was hashed, without opening it. */
  known(status: BigIntStats): string | undefined {
    return this.#known.get(identityOf(status));
  }

  #remember(key: string, sha256: string): void {
    if (this.#known.size >= maxCached) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(key, sha256);
  }
}

export interface Hashed {
  readonly sha256: string;
  readonly status: BigIntStats;
}

/** Same string: same file, and not written to in between as far as its times tell. */
export function identityOf(status: BigIntStats): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = status;
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new FlickError('cancelled', 'The move was cancelled.');
}

function latest(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
