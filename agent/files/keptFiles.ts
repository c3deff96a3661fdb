import { createHash } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { lstat, open, readdir, rename, rm, statfs, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateFolder, removeTree } from '../processes/cells.ts';
import { readProc } from '../procfs/read.ts';
import { writeFailure } from '../state/durable.ts';
import { findElsewhere } from './elsewhere.ts';
import { planLayer } from './layer.ts';
import { finishFile, sizeAndClose, temporaryName, writeFully } from './layerWriter.ts';
import { childOf, type Entry, type FileEntry } from './manifest.ts';
import type { FileSink, IncomingFile } from './transfer.ts';

/** Files from this size on, in bytes, are worth keeping for the next move, and asking for their pieces. */
export const keptFrom = 256 * 1024;

/** What is left free on the disk when files are only kept, in bytes. */
const spareBytes = 1 << 30;

/** Content of files by its SHA-256, as capsules hold it. */
export interface StoredFiles {
  holds(digest: string): boolean;
  /** @throws where it cannot be read, or not any more */
  readFile(digest: string, take: (data: Buffer) => Promise<void>): Promise<void>;
}

/**
 * What this device has of the large files of a process: of a move that was broken off, of its last stay here, in
 * capsules, or elsewhere on its disk. The next move needs only what is different (`pieceTransfer.ts`). Nothing in here is trusted: pieces are compared by
 * their digests, files by theirs.
 */
export class KeptFiles {
  readonly folder: string;
  readonly #stored: (() => Promise<StoredFiles>) | undefined;
  #elsewhere: ReadonlyMap<string, readonly string[]> = new Map();

  /** @param folder made when something is to be kept */
  constructor(folder: string, stored?: () => Promise<StoredFiles>) {
    this.folder = folder;
    this.#stored = stored;
  }

  /** Keeps a file of this file system that nobody needs any more, under the path that the process gives it. */
  async take(file: string, path: string, isComplete: boolean): Promise<void> {
    await makePrivateFolder(this.folder);
    const place = this.#place(path, isComplete);
    // What was broken off sooner than the time before has less of it.
    if (!isComplete && (await sizeOf(place)) > (await sizeOf(file))) await rm(file);
    else await rename(file, place);
  }

  /** Looks for the files that are to come in capsules, and elsewhere on the device for some that may be them. */
  async look(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    const isLarge = (each: Entry): each is FileEntry =>
      each.kind === 'file' && each.size >= keptFrom;
    // A store that cannot be used has nothing.
    const stored = await this.#stored?.().catch(() => undefined);
    const missing: FileEntry[] = [];
    for (const each of entries.filter(isLarge)) {
      signal.throwIfAborted();
      const isStored = stored?.holds(each.sha256) === true;
      if (!isStored || !(await this.#takeOut(each, stored))) missing.push(each);
    }
    this.#elsewhere = await findElsewhere(missing, { signal });
  }

  /** @returns whether it is here as it is to be */
  async #takeOut(entry: FileEntry, stored: StoredFiles): Promise<boolean> {
    if (!(await this.hasRoom(entry.size))) return false;
    const file = await this.create(entry);
    let position = 0;
    try {
      await stored.readFile(entry.sha256, async (data) => {
        await file.write(data, position);
        position += data.length;
      });
      await file.accept();
      return true;
    } catch {
      // Then it is sent. A damaged capsule says so where people look at it.
      await file.discard();
      return false;
    }
  }

  /** The versions of the file that may be here: one that did not get through, a complete one, and what was found elsewhere. */
  async open(path: string): Promise<FileHandle[]> {
    const places = [false, true].map((isComplete) => this.#place(path, isComplete));
    const opened: FileHandle[] = [];
    for (const each of [...places, ...(this.#elsewhere.get(path) ?? [])]) {
      const file = await openRegular(each);
      if (file !== undefined) opened.push(file);
    }
    return opened;
  }

  /** Takes a file that is not needed at its place yet. */
  async create(entry: FileEntry): Promise<IncomingFile> {
    await makePrivateFolder(this.folder);
    const temporary = join(this.folder, temporaryName());
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = await open(temporary, flags, 0o600);
    return {
      write: (data, position) =>
        writeFully(file, data, position).catch((error: unknown) => {
          throw writeFailure(temporary, error);
        }),
      accept: async () => {
        await finishFile(file, { ...entry, mode: 0o600 }, undefined);
        await file.close();
        await this.take(temporary, entry.path, true);
      },
      discard: async () => {
        if ((await sizeAndClose(file)) >= keptFrom) await this.take(temporary, entry.path, false);
        await rm(temporary, { force: true });
      },
    };
  }

  /** Whether so many bytes may be kept. */
  async hasRoom(bytes: number): Promise<boolean> {
    await makePrivateFolder(this.folder);
    const { bavail, bsize } = await statfs(this.folder);
    return bytes + spareBytes < bavail * bsize;
  }

  /** The process has all of its files at their places. */
  async clear(): Promise<void> {
    await removeTree(this.folder);
  }

  #place(path: string, isComplete: boolean): string {
    const name = createHash('sha256').update(path).digest('hex').slice(0, 32);
    return join(this.folder, isComplete ? name : `${name}.part`);
  }
}

/** Keeps the large files of a layer whose process is not here any more, before the layer is removed. */
export async function keepLayer(kept: KeptFiles, flickHome: string, layer: string): Promise<void> {
  const mountinfo = (await readProc('/proc/self/mountinfo')) ?? '';
  for (const { mountPoint, upper } of planLayer(mountinfo, flickHome, layer).overlays) {
    const pending = [{ at: upper, path: mountPoint }];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { at, path } = next;
      const entries: Dirent[] = await readdir(at, { withFileTypes: true }).catch(() => []);
      for (const each of entries) {
        const inner = { at: join(at, each.name), path: childOf(path, each.name) };
        if (each.isDirectory()) pending.push(inner);
        else if (each.isFile()) await keepLarge(kept, inner.at, inner.path);
      }
    }
  }
}

async function keepLarge(kept: KeptFiles, file: string, path: string): Promise<void> {
  const handle = await openRegular(file);
  if (handle === undefined) return;
  const { size } = await handle.stat().finally(() => handle.close());
  if (size >= keptFrom) await kept.take(file, path, true);
}

async function sizeOf(path: string): Promise<number> {
  return (await lstat(path).catch(() => undefined))?.size ?? 0;
}

/** A regular file of some size, links not followed. */
async function openRegular(path: string): Promise<FileHandle | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(() => undefined);
  const status = await file?.stat();
  if (file === undefined || status?.isFile() === true) return file;
  await file.close();
  return undefined;
}

/** The large files among the entries of which a device has something already. */
export async function withBases(sink: FileSink, entries: readonly Entry[]): Promise<Set<string>> {
  const paths = new Set<string>();
  for (const each of entries) {
    if (each.kind !== 'file' || each.size < keptFrom) continue;
    const bases = (await sink.bases?.(each)) ?? [];
    if (bases.length > 0) paths.add(each.path);
    for (const base of bases) await base.close();
  }
  return paths;
}
