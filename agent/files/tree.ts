import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink } from 'node:fs/promises';
import { isErrno } from '../state/durable.ts';
import { childOf, nameOf, parentOf } from './manifest.ts';

/** Linux's O_PATH (open(2), asm-generic/fcntl.h), which node:fs does not export. */
const pathOnly = 0x20_0000;
const openDirectory = pathOnly | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** As many links as the kernel follows in one path (path_resolution(7)). */
const maxLinks = 40;
const maxHandles = 128;

/** A link stands in the middle of a path that must not lead anywhere else. */
export class LinkInPath extends Error {
  readonly path: string;

  constructor(path: string) {
    super(`${path} is not a directory of its own`);
    this.name = 'LinkInPath';
    this.path = path;
  }
}

/** Where a path leads inside a tree, and the links (absolute paths in the tree) met on the way. */
export interface Resolved {
  readonly path: string;
  readonly links: readonly string[];
}

interface Cached {
  readonly handle: FileHandle;
  users: number;
  /** False once it can no longer be found: its last user closes it. */
  cached: boolean;
}

/**
 * A directory tree that no path leaves: the device's own root or a cell's view (`/proc/PID/root`), where the kernel
 * would resolve an absolute link against the wrong root. Every directory on the way is opened by itself without
 * following links, and names are used relative to that descriptor (proc(5), `/proc/self/fd`). Paths are plain
 * (see `isPlainPath`) and absolute in the tree.
 */
export class Tree {
  readonly root: string;
  readonly #root: Cached;
  readonly #handles = new Map<string, Cached>();

  private constructor(root: string, handle: FileHandle) {
    this.root = root;
    this.#root = { handle, users: 0, cached: true };
  }

  /** @throws errno errors of open(2) */
  static async open(root: string): Promise<Tree> {
    return new Tree(root, await open(root, pathOnly | constants.O_DIRECTORY));
  }

  /**
   * Runs `work` with a function that turns a name in `folder` into a path that cannot be diverted.
   * @throws {LinkInPath} when a component of `folder` is a link or no directory; errno errors of open(2)
   */
  async within<T>(folder: string, work: (at: (name: string) => string) => Promise<T>): Promise<T> {
    const cached = await this.#acquire(folder);
    try {
      const base = `/proc/self/fd/${cached.handle.fd}`;
      return await work((name) => (name === '' ? `${base}/.` : `${base}/${name}`));
    } finally {
      await release(cached);
    }
  }

  /** Like `within` the parent, with the path of the last component. */
  async at<T>(path: string, work: (at: string) => Promise<T>): Promise<T> {
    return await this.within(parentOf(path), (at) => work(at(nameOf(path))));
  }

  /** Status of the path itself, links not followed; undefined when it or a directory on the way is not there. */
  async status(path: string): Promise<BigIntStats | undefined> {
    try {
      return await this.at(path, (at) => lstat(at, { bigint: true }));
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
      throw error;
    }
  }

  async linkTarget(path: string): Promise<string> {
    return await this.at(path, (at) => readlink(at));
  }

  /** Opens a regular file for reading; never blocks on a FIFO, never follows a link. @throws errno errors of open(2) */
  async openFile(path: string): Promise<FileHandle> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await this.at(path, (at) => open(at, flags));
    const status = await handle.stat();
    if (status.isFile()) return handle;
    await handle.close();
    throw new LinkInPath(path);
  }

  /**
   * Follows the links of a path, inside the tree only. The last components may be missing.
   * @throws {LinkInPath} when there are too many links
   */
  async resolve(path: string): Promise<Resolved> {
    const links: string[] = [];
    let pending = path.split('/');
    let current = '/';
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      if (next === '' || next === '.') continue;
      if (next === '..') {
        current = parentOf(current);
        continue;
      }
      const candidate = childOf(current, next);
      const status = await this.status(candidate);
      if (status?.isSymbolicLink() !== true) {
        current = candidate;
        continue;
      }
      if (links.length >= maxLinks) throw new LinkInPath(path);
      links.push(candidate);
      const target = await this.linkTarget(candidate);
      if (target.startsWith('/')) current = '/';
      pending = [...target.split('/'), ...pending];
    }
    return { path: current, links };
  }

  /** Forgets directories at or below a path: to be called when one is renamed or removed. */
  async forget(path: string): Promise<void> {
    for (const [folder, cached] of this.#handles) {
      if (folder === path || folder.startsWith(`${path}/`)) await this.#drop(folder, cached);
    }
  }

  async close(): Promise<void> {
    for (const [folder, cached] of this.#handles) await this.#drop(folder, cached);
    await this.#root.handle.close();
  }

  /** The directory, counted as in use; whoever asked releases it. */
  async #acquire(folder: string): Promise<Cached> {
    const known = folder === '/' ? this.#root : this.#handles.get(folder);
    if (known !== undefined) {
      known.users += 1;
      if (this.#handles.delete(folder)) this.#handles.set(folder, known);
      return known;
    }
    const parent = await this.#acquire(parentOf(folder));
    let handle: FileHandle;
    try {
      handle = await open(`/proc/self/fd/${parent.handle.fd}/${nameOf(folder)}`, openDirectory);
    } catch (error) {
      if (isErrno(error, 'ENOTDIR', 'ELOOP')) throw new LinkInPath(folder);
      throw error;
    } finally {
      await release(parent);
    }
    const cached: Cached = { handle, users: 1, cached: !this.#handles.has(folder) };
    if (cached.cached) this.#handles.set(folder, cached);
    await this.#evict();
    return cached;
  }

  async #evict(): Promise<void> {
    for (const [folder, cached] of this.#handles) {
      if (this.#handles.size <= maxHandles) return;
      if (cached.users === 0) await this.#drop(folder, cached);
    }
  }

  async #drop(folder: string, cached: Cached): Promise<void> {
    this.#handles.delete(folder);
    cached.cached = false;
    if (cached.users === 0) await cached.handle.close();
  }
}

/** Closes a directory that nobody uses and that nobody will find again. */
async function release(directory: Cached): Promise<void> {
  directory.users -= 1;
  if (directory.users === 0 && !directory.cached) await directory.handle.close();
}
