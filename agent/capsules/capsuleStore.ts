import { constants } from 'node:fs';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf } from '../../common/rpc.ts';
import { capsuleId, FlickError, type CapsuleInfo } from '../../protocol/index.ts';
import type { StoredFiles } from '../files/keptFiles.ts';
import { removeTree } from '../processes/cells.ts';
import { isErrno, syncFolder, writeDurably } from '../state/durable.ts';
import { BlockStore } from './blockStore.ts';
import {
  blocksOf,
  damaged,
  infoOf,
  maxManifestBytes,
  sealManifest,
  unsealManifest,
  type CapsuleManifest,
} from './capsuleManifest.ts';
import { readContent } from './contentFile.ts';

/** How much the capsules of a device may take, in bytes on the disk, unless FLICK_CAPSULES_LIMIT says otherwise. */
const defaultLimit = 50e9;

/** Reads a limit in bytes as a person sets it. */
export function limitFrom(setting: string | undefined): number {
  const bytes = Number(setting ?? '');
  return Number.isFinite(bytes) && bytes > 0 ? bytes : defaultLimit;
}

interface Known {
  readonly info: CapsuleInfo;
  readonly blocks: ReadonlySet<string>;
  /** SHA-256 of the files in it. */
  readonly files: ReadonlySet<string>;
}

/**
 * The capsules of a device: `capsules/manifests/ID`, and the blocks that they name. A capsule exists from the moment its
 * manifest does, which is written when all of its blocks are durable; what a crash left half-written goes with the next
 * {@link open}.
 */
export class CapsuleStore implements StoredFiles {
  readonly blocks: BlockStore;
  readonly #manifests: string;
  readonly #incoming: string;
  readonly #known = new Map<string, Known>();
  readonly #damaged = new Map<string, string>();
  /** How many restores are reading a capsule. */
  readonly #readers = new Map<string, number>();

  private constructor(folder: string, blocks: BlockStore) {
    this.blocks = blocks;
    this.#manifests = join(folder, 'manifests');
    this.#incoming = join(folder, 'incoming');
  }

  static async open(folder: string, limit: number): Promise<CapsuleStore> {
    const incoming = join(folder, 'incoming');
    await removeTree(incoming);
    await mkdir(incoming, { recursive: true, mode: 0o700 });
    const store = new CapsuleStore(folder, await BlockStore.open(folder, incoming, limit));
    await mkdir(store.#manifests, { recursive: true, mode: 0o700 });
    for (const id of await readdir(store.#manifests)) await store.#load(id);
    // What belongs to a manifest that cannot be read is not told from what belongs to none.
    if (store.#damaged.size === 0) await store.blocks.sweep();
    return store;
  }

  list(): readonly CapsuleInfo[] {
    return [...this.#known.values()].map((each) => each.info).sort((a, b) => a.savedAt - b.savedAt);
  }

  /** Ids of capsules whose manifest cannot be read, and why. */
  damaged(): readonly { readonly id: string; readonly why: string }[] {
    return [...this.#damaged].map(([id, why]) => ({ id, why }));
  }

  /** @throws {FlickError} `noSuchCapsule`, `capsuleDamaged` */
  async manifest(id: string): Promise<CapsuleManifest> {
    const why = this.#damaged.get(id);
    if (why !== undefined) throw new FlickError('capsuleDamaged', why);
    if (!this.#known.has(id)) throw noSuchCapsule(id);
    return await this.#read(id);
  }

  /** Reads a capsule that nobody removes meanwhile. @throws {FlickError} as {@link manifest}, and what `use` throws */
  async reading<T>(id: string, use: (manifest: CapsuleManifest) => Promise<T>): Promise<T> {
    this.#readers.set(id, (this.#readers.get(id) ?? 0) + 1);
    try {
      return await use(await this.manifest(id));
    } finally {
      const left = (this.#readers.get(id) ?? 1) - 1;
      if (left > 0) this.#readers.set(id, left);
      else this.#readers.delete(id);
    }
  }

  holds(digest: string): boolean {
    return this.#holderOf(digest) !== undefined;
  }

  /** Content of some capsule. @throws {FlickError} `noSuchCapsule` where none holds it any more, `capsuleDamaged` */
  async readFile(digest: string, take: (data: Buffer) => Promise<void>): Promise<void> {
    await this.reading(this.#holderOf(digest) ?? '', async ({ contents }) => {
      const content = contents[digest];
      if (content === undefined) throw noSuchCapsule('with this file');
      for await (const data of readContent(content, this.blocks)) await take(data);
    });
  }

  #holderOf(digest: string): string | undefined {
    for (const [id, { files }] of this.#known) if (files.has(digest)) return id;
    return undefined;
  }

  #note(manifest: CapsuleManifest, blocks: ReadonlySet<string>): CapsuleInfo {
    const info = infoOf(manifest);
    const files = new Set(Object.keys(manifest.contents));
    this.#known.set(manifest.id, { info, blocks, files });
    return info;
  }

  /** Where the content of a save may be put aside; whoever makes the folder removes it. */
  stagingFolder(operation: string): string {
    return join(this.#incoming, operation);
  }

  /** The capsule is durable when this resolves. Its blocks have been put, and are still held by whoever put them. */
  async add(manifest: CapsuleManifest): Promise<CapsuleInfo> {
    const blocks = blocksOf(manifest);
    this.blocks.retain(blocks);
    try {
      await this.blocks.sync();
      await writeDurably(this.#path(manifest.id), sealManifest(manifest));
    } catch (error) {
      await this.blocks.release(blocks);
      throw error;
    }
    return this.#note(manifest, blocks);
  }

  /** @throws {FlickError} `noSuchCapsule`, `busy` while it is being restored */
  async remove(id: string): Promise<void> {
    const known = this.#known.get(id);
    if (known === undefined && !this.#damaged.has(id)) throw noSuchCapsule(id);
    if (this.#readers.has(id)) {
      throw new FlickError(
        'busy',
        `The capsule “${known?.info.name ?? id}” is being restored just now.`,
        {
          remedy: 'Try again when that is over.',
        },
      );
    }
    await rm(this.#path(id), { force: true });
    await syncFolder(this.#manifests);
    this.#known.delete(id);
    this.#damaged.delete(id);
    if (known !== undefined) await this.blocks.release(known.blocks);
    else if (this.#damaged.size === 0) await this.blocks.sweep();
  }

  async #load(id: string): Promise<void> {
    if (!v.is(capsuleId, id)) {
      // The temporary file of a manifest that was not finished.
      await rm(join(this.#manifests, id), { recursive: true, force: true });
      return;
    }
    try {
      const manifest = await this.#read(id);
      const blocks = blocksOf(manifest);
      this.blocks.retain(blocks);
      this.#note(manifest, blocks);
    } catch (error) {
      this.#damaged.set(id, messageOf(error));
    }
  }

  async #read(id: string): Promise<CapsuleManifest> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(this.#path(id), flags).catch((error: unknown) => {
      throw damaged(id, isErrno(error, 'ENOENT') ? 'it is missing' : messageOf(error));
    });
    try {
      const status = await file.stat();
      if (!status.isFile() || status.size > maxManifestBytes)
        throw damaged(id, 'it is no manifest');
      return unsealManifest(id, await file.readFile());
    } finally {
      await file.close();
    }
  }

  #path(id: string): string {
    return join(this.#manifests, v.parse(capsuleId, id));
  }
}

function noSuchCapsule(id: string): FlickError {
  return new FlickError('noSuchCapsule', `There is no capsule ${id} on this device.`, {
    remedy: 'flick capsule ls lists what there is.',
  });
}
