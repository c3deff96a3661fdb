import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import {
  chmod,
  chown,
  type FileHandle,
  link,
  mkdir,
  open,
  rename,
  rm,
  statfs,
  symlink,
  lutimes,
  lchown,
  utimes,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../common/rpc.ts';
import { FlickError } from '../../protocol/index.ts';
import { isErrno } from '../state/durable.ts';
import { type LayerPlan, overlayOf } from './layer.ts';
import {
  childOf,
  type Entry,
  type FileEntry,
  isBelow,
  nameOf,
  needsOwnMode,
  parentOf,
} from './manifest.ts';
import { keptFrom, type KeptFiles } from './keptFiles.ts';
import type { FileSink, IncomingFile } from './transfer.ts';
import { LinkInPath, Tree } from './tree.ts';

const run = promisify(execFile);

export interface LayerWriterOptions {
  /** The device whose files are the lower layer. */
  readonly base?: string;
  /** Give entries the numeric owner they had on the source. For root only, whose cells keep numbers. */
  readonly owners?: boolean;
  /** Where large files that do not get through are kept, and what earlier ones are. */
  readonly kept?: KeptFiles | undefined;
}

interface Spot {
  readonly tree: Tree;
  /** Path inside the upper directory. */
  readonly inner: string;
  readonly layerFolder: string;
}

interface Attributes {
  readonly mode: number;
  readonly mtimeMs: number;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Not a bit may differ. */
  readonly exact?: boolean;
}

/**
 * Places what came along into the upper directories of a cell, before the cell mounts them. Links that the entries
 * bring are never followed; links of the device's own are, so that its `/lib -> usr/lib` stays what it is. An upper
 * directory shadows the attributes of the device's own, so it gets them from there. Setuid and setgid bits of files
 * are dropped always. Nothing is synced to disk: after a power cut the cell is gone as well.
 */
export class LayerWriter implements FileSink {
  /** What could not be placed, as sentences for people. */
  readonly remarks: string[] = [];
  readonly #plan: LayerPlan;
  readonly #base: Tree;
  readonly #uppers: ReadonlyMap<string, Tree>;
  readonly #owners: boolean;
  readonly #kept: KeptFiles | undefined;
  /** Where a directory of the entries really lies in the cell, by the path the entries give it. */
  readonly #folders = new Map<string, string>([['/', '/']]);
  /** Set last: a directory may forbid writing, and its time changes with its content. */
  readonly #attributes = new Map<string, Attributes>();

  private constructor(
    plan: LayerPlan,
    base: Tree,
    uppers: Map<string, Tree>,
    { owners, kept }: LayerWriterOptions,
  ) {
    this.#plan = plan;
    this.#base = base;
    this.#uppers = uppers;
    this.#owners = owners ?? false;
    this.#kept = kept;
  }

  /** Makes the upper and work directories. @throws {FlickError} `diskFull`, `internal` */
  static async open(plan: LayerPlan, options: LayerWriterOptions = {}): Promise<LayerWriter> {
    const base = await Tree.open(options.base ?? '/');
    const uppers = new Map<string, Tree>();
    const writer = new LayerWriter(plan, base, uppers, options);
    try {
      for (const { mountPoint, upper, work } of plan.overlays) {
        await mkdir(upper, { recursive: true, mode: 0o700 });
        await mkdir(work, { recursive: true, mode: 0o700 });
        uppers.set(mountPoint, await Tree.open(upper));
        const status = await writer.#baseStatus(mountPoint);
        if (status !== undefined) writer.#attributes.set(mountPoint, attributesOf(status));
      }
      return writer;
    } catch (error) {
      await writer.close();
      throw await failure('the layer for its files', plan.overlays[0]?.upper ?? '/', 0, error);
    }
  }

  /** @throws {FlickError} `diskFull` when this many more bytes have no room */
  async reserve(bytes: number): Promise<void> {
    const [first] = this.#plan.overlays;
    if (first === undefined) return;
    const free = await freeBytes(first.upper);
    if (free < bytes) throw diskFull(first.upper, bytes, free);
  }

  /** @throws {FlickError} `refused` when one of the files lies where no layer can be, naming it */
  requirePlaces(entries: readonly Entry[]): void {
    for (const { kind, path } of entries) {
      if (kind !== 'file' || overlayOf(this.#plan, path) !== undefined) continue;
      const mounts = this.#plan.bare.filter((mount) => isBelow(path, mount));
      const mount = mounts.reduce((one, other) => (other.length > one.length ? other : one), '/');
      throw new FlickError(
        'refused',
        `${path} is not the same on this device, and cannot be brought: what is mounted at ${mount} takes no layer (it is read-only, or a kind such as FAT, FUSE or ramfs).`,
        { remedy: `Put the same file there, or unmount ${mount}.` },
      );
    }
  }

  /** Places a directory, a link or a deletion; for files see `create`. Parents are made as needed. */
  async place(entry: Exclude<Entry, FileEntry>): Promise<void> {
    await this.#guarded(entry.path, 0, async () => {
      if (entry.kind === 'directory') return await this.#placeDirectory(entry);
      const spot = this.#spot(await this.#real(entry.path));
      if (entry.kind === 'deleted') {
        await this.#remove(spot);
        await this.#whiteout(entry.path, spot);
        return;
      }
      await spot.tree.within(parentOf(spot.inner), async (at) => {
        const temporary = at(temporaryName());
        await symlink(entry.target, temporary);
        if (this.#owners && entry.owner !== undefined) {
          await lchown(temporary, entry.owner.uid, entry.owner.gid);
        }
        await lutimes(temporary, entry.mtimeMs / 1000, entry.mtimeMs / 1000);
        await rename(temporary, at(nameOf(spot.inner)));
      });
    });
  }

  /** Content is written to a temporary file and takes its place when accepted. */
  async create(entry: FileEntry): Promise<IncomingFile> {
    return await this.#guarded(entry.path, entry.size, async () => {
      const spot = this.#spot(await this.#real(entry.path));
      const folder = parentOf(spot.inner);
      const temporary = temporaryName();
      const flags =
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      const file = await spot.tree.within(folder, (at) => open(at(temporary), flags, 0o600));
      const owner = this.#owners ? entry.owner : undefined;
      return {
        write: (data, position) =>
          this.#guarded(entry.path, entry.size - position, () => writeFully(file, data, position)),
        accept: () =>
          this.#guarded(entry.path, entry.size, async () => {
            await finishFile(file, entry, owner);
            await file.close();
            await spot.tree.within(folder, (at) => rename(at(temporary), at(nameOf(spot.inner))));
          }),
        discard: async () => {
          const size = await sizeAndClose(file);
          await spot.tree.within(folder, async (at) => {
            if (size >= keptFrom) await this.#kept?.take(at(temporary), entry.path, false);
            await rm(at(temporary), { force: true });
          });
        },
      };
    });
  }

  async bases(entry: FileEntry): Promise<readonly FileHandle[]> {
    const spot = this.#spot(await this.#real(entry.path));
    const placed = await spot.tree.openFile(spot.inner).catch(() => undefined);
    const kept = (await this.#kept?.open(entry.path)) ?? [];
    if (placed !== undefined) return [placed, ...kept];
    const resolved = await this.#base.resolve(entry.path).catch(() => undefined);
    const own = await this.#base.openFile(resolved?.path ?? entry.path).catch(() => undefined);
    return own === undefined ? kept : [...kept, own];
  }

  /** Gives directories their modes and times; to be called when all is placed (and again when more was). */
  async seal(): Promise<void> {
    const folders = [...this.#attributes].sort(([a], [b]) => b.length - a.length);
    for (const [folder, { mode, mtimeMs, owner, exact }] of folders) {
      const { tree, inner } = this.#spot(folder);
      await this.#guarded(folder, 0, () =>
        tree.within(inner, async (at) => {
          if (process.getuid?.() === 0 && owner !== undefined)
            await chown(at(''), owner.uid, owner.gid);
          // Without the owner's own bits an ordinary user's cell could not even pass.
          const least = process.getuid?.() === 0 ? 0 : 0o700;
          await chmod(at(''), exact === true ? mode & 0o3777 : (mode & 0o1777) | least);
          await utimes(at(''), mtimeMs / 1000, mtimeMs / 1000);
        }),
      );
    }
  }

  async close(): Promise<void> {
    await this.#base.close();
    for (const tree of this.#uppers.values()) await tree.close();
  }

  async #placeDirectory(entry: Entry & { kind: 'directory' }): Promise<void> {
    const folder = await this.#folder(entry.path);
    const base = await this.#baseStatus(folder);
    if (base?.isDirectory() === true && !needsOwnMode(entry)) return;
    const owner = this.#owners ? entry.owner : undefined;
    const exact = needsOwnMode(entry);
    this.#attributes.set(folder, { mode: entry.mode, mtimeMs: entry.mtimeMs, owner, exact });
  }

  /** The path in the cell that an entry's path leads to: its directory resolved, its name as it is. */
  async #real(path: string): Promise<string> {
    const real = childOf(await this.#folder(parentOf(path)), nameOf(path));
    if (this.#uppers.has(real)) {
      throw new FlickError(
        'transferFailed',
        `${path} is a mount of this device and stays as it is.`,
      );
    }
    return real;
  }

  /** Makes the upper directory for `folder` and answers where in the cell that is. */
  async #folder(folder: string): Promise<string> {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const candidate = childOf(await this.#folder(parentOf(folder)), nameOf(folder));
    const real = await this.#enter(candidate);
    this.#folders.set(folder, real);
    return real;
  }

  async #enter(folder: string): Promise<string> {
    const passes = overlayOf(this.#plan, folder) === undefined;
    // On the way to a layered mount, as /dev is to /dev/shm: nothing is placed here itself.
    if (passes && [...this.#uppers.keys()].some((mount) => isBelow(mount, folder))) return folder;
    const { tree, inner } = this.#spot(folder);
    if (inner === '/') return folder;
    const existing = await tree.status(inner);
    if (existing?.isDirectory() === true) return folder;
    // Deleted in an earlier round of placing and made again since. (What the device has in its own directory shows
    // through then: hiding it takes an extended attribute, which node:fs cannot set.)
    if (existing !== undefined && !isWhiteout(existing)) throw new LinkInPath(folder);
    if (existing !== undefined) await tree.at(inner, (at) => rm(at));
    const base = existing === undefined ? await this.#baseStatus(folder) : undefined;
    if (base?.isSymbolicLink() === true) {
      const target = (await this.#base.resolve(folder)).path;
      if ((await this.#baseStatus(target))?.isDirectory() === true)
        return await this.#folder(target);
    }
    await tree.at(inner, (at) => mkdir(at, { mode: 0o700 }));
    this.#attributes.set(
      folder,
      base?.isDirectory() === true
        ? attributesOf(base)
        : { mode: 0o755, mtimeMs: Date.now(), owner: undefined },
    );
    return folder;
  }

  #spot(path: string): Spot {
    const overlay = overlayOf(this.#plan, path);
    const tree = overlay === undefined ? undefined : this.#uppers.get(overlay.mountPoint);
    if (overlay === undefined || tree === undefined) {
      throw new FlickError(
        'transferFailed',
        `${path} cannot be placed: its file system takes no layer.`,
      );
    }
    const below = overlay.mountPoint === '/' ? path : path.slice(overlay.mountPoint.length);
    return { tree, inner: below === '' ? '/' : below, layerFolder: dirname(overlay.upper) };
  }

  async #baseStatus(path: string): Promise<BigIntStats | undefined> {
    try {
      return path === '/' ? await this.#base.status('/.') : await this.#base.status(path);
    } catch (error) {
      // What the user cannot even look at is as if it were not there.
      if (error instanceof LinkInPath || isErrno(error, 'EACCES')) return undefined;
      throw error;
    }
  }

  async #remove({ tree, inner }: Spot): Promise<void> {
    await tree.forget(inner);
    await tree.at(inner, (at) => rm(at, { recursive: true, force: true }));
  }

  /** A character device 0:0 hides what lies below (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque"). */
  async #whiteout(path: string, spot: Spot): Promise<void> {
    const real = childOf(await this.#folder(parentOf(path)), nameOf(path));
    if ((await this.#baseStatus(real)) === undefined) return;
    const model = `${spot.layerFolder}/whiteout`;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await spot.tree.at(spot.inner, (at) => link(model, at));
        return;
      } catch (error) {
        if (!isErrno(error, 'ENOENT', 'EMLINK') || attempt > 0) throw error;
      }
      await rm(model, { force: true });
      try {
        // Allowed to everybody since Linux 5.8; node:fs has no mknod(2).
        await run('mknod', [model, 'c', '0', '0']);
      } catch (error) {
        this.remarks.push(`${path} was deleted but is there again: ${messageOf(error)}`);
        return;
      }
    }
  }

  async #guarded<T>(path: string, needed: number, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const upper = overlayOf(this.#plan, path)?.upper ?? this.#plan.overlays[0]?.upper ?? '/';
      throw await failure(path, upper, needed, error);
    }
  }
}

/** All of the data, whatever write(2) takes at a time. */
export async function writeFully(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let written = 0; written < data.length;) {
    const left = data.length - written;
    written += (await file.write(data, written, left, position + written)).bytesWritten;
  }
}

/** Size (trailing holes), owner, mode without setuid and setgid, and time of a file that is complete. */
export async function finishFile(
  file: FileHandle,
  entry: FileEntry,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): Promise<void> {
  await file.truncate(entry.size);
  if (owner !== undefined) await file.chown(owner.uid, owner.gid);
  await file.chmod(entry.mode & 0o777);
  await file.utimes(entry.mtimeMs / 1000, entry.mtimeMs / 1000);
}

/** Bytes that an incomplete file has; 0 when it is closed already. */
export async function sizeAndClose(file: FileHandle): Promise<number> {
  const { size } = await file.stat().catch(() => ({ size: 0 }));
  await file.close().catch(() => undefined);
  return size;
}

export function isWhiteout(status: BigIntStats): boolean {
  return status.isCharacterDevice() && status.rdev === 0n;
}

export function temporaryName(): string {
  return `.flick-${randomBytes(8).toString('hex')}`;
}

/** @throws nothing: turns an error of placing `path` into one for people */
export async function failure(
  path: string,
  near: string,
  needed: number,
  error: unknown,
): Promise<FlickError> {
  if (error instanceof FlickError) return error;
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) {
    return diskFull(path, needed, await freeBytes(near).catch(() => 0), error);
  }
  if (error instanceof LinkInPath) {
    return new FlickError(
      'transferFailed',
      `${path} leads through ${error.path}, which is a link.`,
      {
        cause: error,
      },
    );
  }
  const reason = isErrno(error, 'EACCES', 'EPERM', 'EROFS') ? 'permission' : 'transferFailed';
  return new FlickError(reason, `Failed to place ${path}: ${messageOf(error)}`, { cause: error });
}

function diskFull(path: string, needed: number, free: number, cause?: unknown): FlickError {
  return new FlickError(
    'diskFull',
    `The disk is full: ${path} needs ${inUnits(needed)}, ${inUnits(free)} are free.`,
    { remedy: 'Free some space on the device and try again.', cause },
  );
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

function inUnits(bytes: number): string {
  if (bytes < 1e3) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

function attributesOf(status: BigIntStats): Attributes {
  return {
    mode: Number(status.mode) & 0o7777,
    mtimeMs: Number(status.mtimeMs),
    owner: { uid: Number(status.uid), gid: Number(status.gid) },
  };
}
