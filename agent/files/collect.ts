import { constants, type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { FlickError } from '../../protocol/index.ts';
import { isErrno } from '../state/durable.ts';
import { Hasher, throwIfCancelled } from './hashing.ts';
import {
  childOf,
  type Entry,
  type EntryRole,
  inPathOrder,
  isCarriable,
  isPlainPath,
  maxEntries,
  parentOf,
} from './manifest.ts';
import { LinkInPath, Tree } from './tree.ts';

/** What is to travel: plain absolute paths as the process sees them. */
export interface Wanted {
  /** Files it maps. */
  readonly mapped: readonly string[];
  /** Files it has open. */
  readonly open: readonly string[];
  /** Directory trees (or single files) that are carried whole. */
  readonly carry: readonly string[];
  readonly cwds: readonly string[];
  /** Paths that an away process made or changed: see `layerChanges`. */
  readonly changed?: readonly string[];
  /** Those of them that are mapped shared and writable: their times lag, so they are always hashed afresh. */
  readonly sharedWritable?: readonly string[];
}

export interface CollectOptions {
  readonly hasher?: Hasher;
  readonly signal?: AbortSignal;
  /** Most entries; more is an error, since half a tree is of no use. */
  readonly limit?: number;
}

/** A path that does not travel, and why, as a sentence without a subject: "is a socket". */
export interface Skipped {
  readonly path: string;
  readonly why: string;
}

export interface Collection {
  /** In path order, parents first. */
  readonly entries: Entry[];
  readonly skipped: Skipped[];
}

/** Entries of one directory that are looked at at once; libuv has four threads for them. */
const siblings = 8;
/** What a role outranks: a file both mapped and in a carried tree is a mapped one. */
const rank: readonly EntryRole[] = ['carried', 'new', 'cwd', 'open', 'mapped'];

/**
 * Describes the files that travel with a process, as the device or a cell's view has them now. Links met on the way
 * to a wanted path travel as links and are resolved inside the view. Never leaves the view, never blocks on a FIFO.
 * @param view `/` or `/proc/KEEPER/root`
 * @throws {FlickError} `refused` when there are too many entries, `cancelled`
 */
export async function collectEntries(
  view: string,
  wanted: Wanted,
  options: CollectOptions = {},
): Promise<Collection> {
  const tree = await Tree.open(view);
  try {
    const collector = new Collector(tree, wanted, options);
    await collector.run();
    return { entries: inPathOrder(collector.entries.values()), skipped: collector.skipped };
  } finally {
    await tree.close();
  }
}

class Collector {
  readonly entries = new Map<string, Entry>();
  readonly skipped: Skipped[] = [];
  readonly #tree: Tree;
  readonly #wanted: Wanted;
  readonly #options: CollectOptions;
  readonly #hasher: Hasher;
  readonly #fresh: ReadonlySet<string>;

  constructor(tree: Tree, wanted: Wanted, options: CollectOptions) {
    this.#tree = tree;
    this.#wanted = wanted;
    this.#options = options;
    this.#hasher = options.hasher ?? new Hasher();
    this.#fresh = new Set(wanted.sharedWritable);
  }

  async run(): Promise<void> {
    for (const path of this.#wanted.mapped) await this.#named(path, 'mapped', false);
    for (const path of this.#wanted.open) await this.#named(path, 'open', false);
    for (const path of this.#wanted.cwds) await this.#named(path, 'cwd', false);
    for (const path of this.#wanted.changed ?? []) await this.#named(path, 'new', false);
    for (const path of this.#wanted.carry) await this.#named(path, 'carried', true);
  }

  /** A path that somebody named: the links on the way to it travel, then what it leads to. */
  async #named(path: string, role: EntryRole, whole: boolean): Promise<void> {
    if (path === '/' && role === 'cwd') return;
    if (!isPlainPath(path) || (path === '/' && role !== 'carried')) {
      this.#skip(path, 'is not a plain path');
      return;
    }
    if (path === '/') {
      this.#skip(path, 'is the whole device: carry the directories that are needed');
      return;
    }
    try {
      // What the process made may be a link itself: it travels as such and leads wherever it leads there.
      const resolved =
        role === 'new' ? { path, links: [] as string[] } : await this.#tree.resolve(path);
      for (const link of resolved.links) await this.#one(link, role);
      await this.#one(resolved.path, role);
      if (whole) await this.#walk(resolved.path);
    } catch (error) {
      if (error instanceof FlickError) throw error;
      this.#skip(path, reasonOf(error));
    }
  }

  async #walk(top: string): Promise<void> {
    const pending = [top];
    for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
      if (this.entries.get(folder)?.kind !== 'directory') continue;
      const current = folder;
      let names: Dirent<Buffer>[];
      try {
        names = await this.#tree.within(current, (at) =>
          readdir(at(''), { withFileTypes: true, encoding: 'buffer' }),
        );
      } catch (error) {
        this.#skip(current, reasonOf(error));
        continue;
      }
      const paths: string[] = [];
      for (const { name: raw } of names) {
        const name = raw.toString('utf8');
        if (Buffer.from(name, 'utf8').equals(raw)) paths.push(childOf(current, name));
        else this.#skip(childOf(current, name), 'has a name that is not UTF-8');
      }
      for (let start = 0; start < paths.length; start += siblings) {
        const some = paths.slice(start, start + siblings);
        await Promise.all(some.map((path) => this.#one(path, 'carried')));
      }
      for (const path of paths) {
        if (this.entries.get(path)?.kind === 'directory') pending.push(path);
      }
    }
  }

  async #one(path: string, role: EntryRole): Promise<void> {
    throwIfCancelled(this.#options.signal);
    const known = this.entries.get(path);
    if (known !== undefined) {
      if (rank.indexOf(role) > rank.indexOf(known.role)) this.entries.set(path, { ...known, role });
      return;
    }
    if (!isCarriable(path)) {
      this.#skip(path, 'belongs to the device');
      return;
    }
    try {
      const entry = await this.#describe(path, role);
      if (entry === undefined) return;
      await this.#parents(path);
      this.#add(entry);
    } catch (error) {
      if (error instanceof FlickError) throw error;
      this.#skip(path, reasonOf(error));
    }
  }

  /** The directories above travel as well, so that they have the right modes where they are missing. */
  async #parents(path: string): Promise<void> {
    const parent = parentOf(path);
    if (this.entries.has(parent) || !isCarriable(parent) || parent === '/') return;
    await this.#parents(parent);
    const entry = await this.#describe(parent, 'carried');
    if (entry !== undefined) this.#add(entry);
  }

  async #describe(path: string, role: EntryRole): Promise<Entry | undefined> {
    const status = await this.#tree.status(path);
    if (status === undefined) {
      this.#skip(path, 'is not there any more');
      return undefined;
    }
    const common = {
      path,
      role,
      mode: Number(status.mode) & 0o7777,
      mtimeMs: Number(status.mtimeNs / 1000n) / 1000,
      owner: { uid: Number(status.uid), gid: Number(status.gid) },
    };
    if (status.isDirectory()) return { kind: 'directory', ...common };
    if (status.isSymbolicLink()) {
      return { kind: 'symlink', ...common, target: await this.#tree.linkTarget(path) };
    }
    if (!status.isFile()) {
      this.#skip(path, specialKind(Number(status.mode)));
      return undefined;
    }
    const known = this.#fresh.has(path) ? undefined : this.#hasher.known(status);
    if (known !== undefined) {
      return { kind: 'file', ...common, size: Number(status.size), sha256: known };
    }
    return await this.#describeFile(path, common);
  }

  async #describeFile(
    path: string,
    common: Omit<Entry & { kind: 'directory' }, 'kind'>,
  ): Promise<Entry> {
    const file = await this.#tree.openFile(path);
    try {
      const fresh = this.#fresh.has(path);
      // A file that grows while it is read is described as it was at one moment or the other; its content is checked
      // again when it is sent.
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const hashed = await this.#hasher.hash(file, { signal: this.#options.signal, fresh });
        if (hashed !== undefined) {
          const { sha256, status } = hashed;
          return { kind: 'file', ...common, size: Number(status.size), sha256 };
        }
      }
      return { kind: 'file', ...common, size: Number((await file.stat()).size), sha256: unsettled };
    } finally {
      await file.close();
    }
  }

  #add(entry: Entry): void {
    const limit = this.#options.limit ?? maxEntries;
    if (this.entries.size >= limit) {
      throw new FlickError('refused', `More than ${limit} files would travel with the process.`, {
        remedy: 'Carry smaller directories.',
      });
    }
    this.entries.set(entry.path, entry);
  }

  #skip(path: string, why: string): void {
    this.skipped.push({ path, why });
  }
}

/** Stands for the content of a file that is being written to all the time: no content has it, so it is sent later. */
export const unsettled = '0'.repeat(64);

function specialKind(mode: number): string {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFSOCK:
      return 'is a socket';
    case constants.S_IFIFO:
      return 'is a named pipe';
    case constants.S_IFBLK:
    case constants.S_IFCHR:
      return 'is a device node';
    default:
      return 'is no ordinary file';
  }
}

function reasonOf(error: unknown): string {
  if (isErrno(error, 'EACCES', 'EPERM')) return 'cannot be read by this user';
  if (isErrno(error, 'ENOENT')) return 'is not there any more';
  if (error instanceof LinkInPath) return 'is reached through a link that leads elsewhere';
  return `cannot be read (${error instanceof Error ? error.message : String(error)})`;
}
