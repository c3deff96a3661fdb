import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf } from '../../common/rpc.ts';
import { FlickError, sha256 } from '../../protocol/index.ts';
import { isErrno, syncFolder, writeFailure } from '../state/durable.ts';
import { randomId } from '../state/ids.ts';
import {
  decodeBlock,
  digestOf,
  encodeBlock,
  maxStoredBytes,
  UnreadableBlock,
} from './blockCodec.ts';

/**
 * Content by its SHA-256, a file a block: `blocks/ab/ab…`, made under a temporary name, synced and renamed. Nothing is
 * kept that nobody holds: a block goes with the last of its holders, for capsules contain secrets.
 */
export class BlockStore {
  readonly #blocks: string;
  readonly #temporary: string;
  readonly #limit: number;
  /** Bytes on the disk, by digest. */
  readonly #stored = new Map<string, number>();
  readonly #holders = new Map<string, number>();
  /** What is being done to a block: writing one and removing it must not meet. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** Folders with renames that are not durable yet. */
  readonly #unsynced = new Set<string>();
  #storedBytes = 0;

  private constructor(folder: string, temporary: string, limit: number) {
    this.#blocks = join(folder, 'blocks');
    this.#temporary = temporary;
    this.#limit = limit;
  }

  /**
   * @param temporary a folder on the same file system whose content is nobody's when this is called
   * @param limit bytes on the disk beyond which nothing more is stored
   */
  static async open(folder: string, temporary: string, limit: number): Promise<BlockStore> {
    const store = new BlockStore(folder, temporary, limit);
    await mkdir(store.#blocks, { recursive: true, mode: 0o700 });
    for (const name of await readdir(store.#blocks)) {
      const shelf = join(store.#blocks, name);
      for (const digest of await readdir(shelf).catch(() => [])) {
        if (!v.is(sha256, digest) || !digest.startsWith(name)) continue;
        store.#note(digest, (await stat(join(shelf, digest))).size);
      }
    }
    return store;
  }

  /** Bytes on the disk. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  has(digest: string): boolean {
    return this.#stored.has(digest);
  }

  /** Bytes on the disk of those among the blocks that have this many holders at most. */
  bytesOf(digests: Iterable<string>, mostHolders = Infinity): number {
    let sum = 0;
    for (const digest of new Set(digests)) {
      if ((this.#holders.get(digest) ?? 0) <= mostHolders) sum += this.#stored.get(digest) ?? 0;
    }
    return sum;
  }

  /** Someone needs these blocks. To be given back with {@link release}, each as often as it was taken. */
  retain(digests: Iterable<string>): void {
    for (const digest of digests) {
      this.#holders.set(digest, (this.#holders.get(digest) ?? 0) + 1);
    }
  }

  /** Removes from the disk what nobody else holds. */
  async release(digests: Iterable<string>): Promise<void> {
    const free: string[] = [];
    for (const digest of digests) {
      const left = (this.#holders.get(digest) ?? 1) - 1;
      if (left > 0) this.#holders.set(digest, left);
      else {
        this.#holders.delete(digest);
        free.push(digest);
      }
    }
    for (const digest of free) await this.#removeUnheld(digest);
  }

  /** Removes every block that nobody holds. */
  async sweep(): Promise<void> {
    for (const digest of [...this.#stored.keys()]) await this.#removeUnheld(digest);
  }

  /**
   * Stores content of at most one block and retains it. Survives a power cut once {@link sync} has been called.
   * @returns its digest
   * @throws {FlickError} `diskFull`, `internal`; nothing is retained then
   */
  async put(data: Buffer): Promise<string> {
    const digest = await digestOf(data);
    this.retain([digest]);
    try {
      await this.#alone(digest, async () => {
        // A damaged block is written again rather than trusted.
        if (this.has(digest) && (await this.#read(digest).catch(() => undefined)) !== undefined) {
          return;
        }
        await this.#write(digest, await encodeBlock(data));
      });
    } catch (error) {
      await this.release([digest]);
      throw error;
    }
    return digest;
  }

  /** @throws {FlickError} `capsuleDamaged` naming the block; what is returned is what was stored */
  async get(digest: string): Promise<Buffer> {
    return await this.#read(digest);
  }

  /** What was put before survives a power cut when this resolves. */
  async sync(): Promise<void> {
    for (const shelf of [...this.#unsynced]) {
      this.#unsynced.delete(shelf);
      await syncFolder(shelf);
    }
    await syncFolder(this.#blocks);
  }

  async #write(digest: string, content: Buffer): Promise<void> {
    const before = this.#stored.get(digest) ?? 0;
    if (this.#storedBytes - before + content.length > this.#limit) {
      throw new FlickError(
        'diskFull',
        `The capsules of this device may take ${Math.round(this.#limit / 1e6)} MB, which would be exceeded.`,
        { remedy: 'Remove capsules that are not needed any more (flick capsule rm).' },
      );
    }
    const temporary = join(this.#temporary, randomId('block', 16));
    const path = this.#path(digest);
    const shelf = join(this.#blocks, digest.slice(0, 2));
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      await mkdir(shelf, { recursive: true, mode: 0o700 });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw writeFailure(path, error);
    }
    this.#unsynced.add(shelf);
    this.#note(digest, content.length);
  }

  async #read(digest: string): Promise<Buffer> {
    try {
      const data = await decodeBlock(await readSmall(this.#path(digest)));
      if ((await digestOf(data)) !== digest) throw new UnreadableBlock('its content has changed');
      return data;
    } catch (error) {
      const why =
        error instanceof UnreadableBlock || !isErrno(error, 'ENOENT')
          ? messageOf(error)
          : 'it is missing';
      throw damagedBlock(digest, why, error);
    }
  }

  async #removeUnheld(digest: string): Promise<void> {
    await this.#alone(digest, async () => {
      if (this.#holders.has(digest)) return;
      await rm(this.#path(digest), { force: true });
      this.#note(digest, undefined);
    });
  }

  #note(digest: string, size: number | undefined): void {
    this.#storedBytes += (size ?? 0) - (this.#stored.get(digest) ?? 0);
    if (size === undefined) this.#stored.delete(digest);
    else this.#stored.set(digest, size);
  }

  async #alone<T>(digest: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(digest) ?? Promise.resolve();
    const done = before.catch(() => undefined).then(work);
    this.#busy.set(digest, done);
    try {
      return await done;
    } finally {
      if (this.#busy.get(digest) === done) this.#busy.delete(digest);
    }
  }

  #path(digest: string): string {
    return join(this.#blocks, digest.slice(0, 2), v.parse(sha256, digest));
  }
}

export function damagedBlock(digest: string, why: string, cause?: unknown): FlickError {
  return new FlickError('capsuleDamaged', `The block ${digest} is damaged: ${why}.`, {
    remedy:
      'What it belonged to cannot be had back. Remove the capsule (flick capsule rm), and look after the disk.',
    cause,
  });
}

/** The bytes of a file that is no larger than a block can be, and no link to elsewhere. */
async function readSmall(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new UnreadableBlock('it is no file');
    if (status.size > maxStoredBytes) throw new UnreadableBlock('it is too large');
    const buffer = Buffer.alloc(status.size);
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } finally {
    await file.close();
  }
}
