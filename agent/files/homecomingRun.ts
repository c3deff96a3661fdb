import { type BigIntStats, constants } from 'node:fs';
import {
  chmod,
  type FileHandle,
  link,
  lutimes,
  mkdir,
  open,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { FlickError } from '../../protocol/index.ts';
import { isErrno, writeDurably } from '../state/durable.ts';
import { identityOf } from './hashing.ts';
import type { HomecomingPlan, Homeward } from './homecoming.ts';
import { finish, type Journal, type Operation, type Put, revert } from './homecomingJournal.ts';
import { keptFrom, type KeptFiles } from './keptFiles.ts';
import { failure, finishFile, sizeAndClose, writeFully } from './layerWriter.ts';
import { type Entry, type FileEntry, nameOf, parentOf } from './manifest.ts';
import type { FileSink, IncomingFile } from './transfer.ts';
import { Tree } from './tree.ts';

export interface HomecomingTarget {
  /** File that says what is under way, so that a crash leaves nothing half done. */
  readonly journal: string;
  /** Part of the names of temporary files: letters, digits and dashes, different for every handoff. */
  readonly id: string;
  readonly base?: string;
  /** Takes the content of files that are not allowed at home. */
  readonly layer?: FileSink;
  /** Where large files that do not get through are kept, and what earlier ones are. */
  readonly kept?: KeptFiles;
}

/**
 * Brings the files of a process home in three steps, each of which can be undone until the last:
 * `prepare` and receiving write temporary files that nobody looks at; `place` puts them at their paths just before the
 * restore, since CRIU must find them there, and keeps home's own beside under a hidden name; `commit` drops those,
 * `abort` puts them back. Replaced files keep their inode in the backup, so whoever has one open notices nothing of
 * an abort. Why not binds over the paths: a rename onto a path detaches what other namespaces have mounted on it, and
 * the process would be left with descriptors into a detached mount, which no later dump can describe.
 */
export class Homecoming implements FileSink {
  readonly #tree: Tree;
  readonly #target: HomecomingTarget;
  readonly #journal: Journal;
  readonly #steps: ReadonlyMap<string, Homeward>;
  readonly #puts: ReadonlyMap<string, Put>;
  #ended = false;

  private constructor(
    tree: Tree,
    target: HomecomingTarget,
    record: Journal,
    steps: ReadonlyMap<string, Homeward>,
    puts: ReadonlyMap<string, Put>,
  ) {
    this.#tree = tree;
    this.#target = target;
    this.#journal = record;
    this.#steps = steps;
    this.#puts = puts;
  }

  /** Writes down what is going to happen. @throws {FlickError} `diskFull`, `internal` */
  static async prepare(plan: HomecomingPlan, target: HomecomingTarget): Promise<Homecoming> {
    const base = target.base ?? '/';
    const tree = await Tree.open(base);
    try {
      const operations: Operation[] = [];
      const puts = new Map<string, Put>();
      const steps = new Map(plan.steps.map((step) => [step.entry.path, step]));
      for (const [index, step] of plan.steps.entries()) {
        const made = await operationFor(tree, step, `.flick-${target.id}-${index}`);
        if (made === undefined) continue;
        operations.push(made);
        if (made.kind === 'put') puts.set(step.entry.path, made);
      }
      const record: Journal = { version: 1, base, state: 'prepared', operations };
      await writeDurably(target.journal, JSON.stringify(record));
      return new Homecoming(tree, target, record, steps, puts);
    } catch (error) {
      await tree.close();
      throw error;
    }
  }

  /** Takes the content of a file of `plan.incoming`. */
  async create(entry: FileEntry): Promise<IncomingFile> {
    const put = this.#puts.get(entry.path);
    if (put === undefined) {
      if (
        this.#target.layer !== undefined &&
        this.#steps.get(entry.path)?.verdict === 'notAllowed'
      ) {
        return await this.#target.layer.create(entry);
      }
      throw new FlickError('transferFailed', `${entry.path} was not asked for.`);
    }
    const guarded = <T>(work: () => Promise<T>): Promise<T> =>
      orFailure(entry.path, this.#journal.base, entry.size, work);
    return await guarded(async () => {
      const flags =
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      // A file that changed while it was sent comes a second time.
      await this.#tree.at(put.temp, (at) => rm(at, { force: true }));
      const file = await this.#tree.at(put.temp, (at) => open(at, flags, 0o600));
      const own = put.backup === null ? undefined : await this.#tree.status(put.path);
      return {
        write: (data, position) => guarded(() => writeFully(file, data, position)),
        accept: () =>
          guarded(async () => {
            await finishFile(file, entry, keptOwner(own));
            await file.sync();
            await file.close();
          }),
        discard: async () => {
          const size = await sizeAndClose(file);
          await this.#tree.at(put.temp, async (at) => {
            // The agent's folder may be on another file system; then nothing of it is kept.
            if (size >= keptFrom) {
              await this.#target.kept?.take(at, entry.path, false).catch(() => undefined);
            }
            await rm(at, { force: true });
          });
        },
      };
    });
  }

  async bases(entry: FileEntry): Promise<readonly FileHandle[]> {
    const kept = (await this.#target.kept?.open(entry.path)) ?? [];
    const own = await this.#tree.openFile(entry.path).catch(() => undefined);
    return own === undefined ? kept : [...kept, own];
  }

  /**
   * Puts everything at its path. To be called when all content has arrived and the process is about to be restored.
   * @throws {FlickError} `transferFailed` when home's files changed since they were compared; then call `abort`
   */
  async place(): Promise<void> {
    const folders = new Set<string>();
    for (const each of this.#journal.operations) {
      await orFailure(each.path, this.#journal.base, 0, () => this.#placeOne(each));
      folders.add(parentOf(each.path));
    }
    for (const each of this.#journal.operations) {
      if (each.kind !== 'folder') continue;
      await this.#tree.at(each.path, (at) => chmod(at, each.mode));
    }
    for (const folder of folders) await syncWithin(this.#tree, folder);
  }

  /** The process runs here for good: home's replaced files go. If it fails, `recoverHomecoming` ends it. */
  async commit(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await writeDurably(
      this.#target.journal,
      JSON.stringify({ ...this.#journal, state: 'committed' } satisfies Journal),
    );
    await finish(this.#tree, this.#journal.operations, this.#target.journal);
  }

  /** Everything at home is as it was. Can be called at any time before `commit`. */
  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await revert(this.#tree, this.#journal.operations, this.#target.journal);
  }

  async #placeOne(each: Operation): Promise<void> {
    switch (each.kind) {
      case 'folder':
        await this.#tree.at(each.path, (at) => mkdir(at, { mode: 0o700 }));
        return;
      case 'put':
        await this.#put(each);
        return;
      case 'remove': {
        await this.#expect(each.path, each.identity);
        await this.#tree.within(parentOf(each.path), (at) =>
          rename(at(nameOf(each.path)), at(nameOf(each.backup))),
        );
        return;
      }
      case 'removeFolder':
        return;
    }
  }

  async #put(each: Put): Promise<void> {
    if (each.link !== null) {
      const { target, mtimeMs } = each.link;
      await this.#tree.at(each.temp, async (at) => {
        await symlink(target, at);
        await lutimes(at, mtimeMs / 1000, mtimeMs / 1000);
      });
    }
    const { backup } = each;
    await this.#tree.at(each.temp, (temp) =>
      this.#tree.at(each.path, async (path) => {
        if (backup === null) {
          // Fails where something has appeared meanwhile, and the second name shows after a crash that it is ours.
          await orRename(temp, path, () => link(temp, path));
          return;
        }
        await this.#expect(each.path, each.identity);
        await this.#tree.at(backup, (at) => orRename(path, at, () => link(path, at)));
        await rename(temp, path);
      }),
    );
  }

  async #expect(path: string, identity: string | null): Promise<void> {
    const status = await this.#tree.status(path);
    if (status !== undefined && identityOf(status) === identity) return;
    throw new FlickError('transferFailed', `${path} was changed here during the move.`, {
      remedy: 'Move the process again: both versions will be kept.',
    });
  }
}

async function operationFor(
  tree: Tree,
  step: Homeward,
  name: string,
): Promise<Operation | undefined> {
  const { entry } = step;
  const beside = (path: string, suffix: string): string =>
    `${parentOf(path) === '/' ? '' : parentOf(path)}/${name}${suffix}`;
  switch (step.verdict) {
    case 'unchanged':
    case 'notAllowed':
      return undefined;
    case 'delete':
      if (step.folder) return { kind: 'removeFolder', path: entry.path };
      return {
        kind: 'remove',
        path: entry.path,
        backup: beside(entry.path, '.old'),
        identity: step.identity,
      };
    case 'create':
      if (step.entry.kind === 'directory') {
        return { kind: 'folder', path: entry.path, mode: step.entry.mode & 0o1777 };
      }
      return put(step.entry, entry.path, await nearest(tree, entry.path, name), null, null);
    case 'conflict':
      return put(step.entry, step.keptAs, beside(step.keptAs, ''), null, null);
    case 'writeBack':
      return put(
        step.entry,
        entry.path,
        beside(entry.path, ''),
        beside(entry.path, '.old'),
        step.identity,
      );
  }
}

function put(
  entry: Exclude<Entry, { kind: 'deleted' | 'directory' }>,
  path: string,
  temp: string,
  backup: string | null,
  identity: string | null,
): Put {
  const link = entry.kind === 'symlink' ? { target: entry.target, mtimeMs: entry.mtimeMs } : null;
  return { kind: 'put', path, temp, backup, identity, link };
}

/** A temporary path in the closest directory that exists: those still to be made must not be seen yet. */
async function nearest(tree: Tree, path: string, name: string): Promise<string> {
  let folder = parentOf(path);
  while ((await tree.status(folder)) === undefined) folder = parentOf(folder);
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}

async function syncWithin(tree: Tree, folder: string): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  try {
    const handle = await tree.within(folder, (at) => open(at(''), flags));
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    // A directory that can be written but not read cannot be synced; its file system is, in time.
    if (!isErrno(error, 'EACCES')) throw error;
  }
}

/** Where the file system has no hard links, or the file is not ours to link (proc_sys_fs(5), protected_hardlinks). */
async function orRename(from: string, to: string, linked: () => Promise<void>): Promise<void> {
  try {
    await linked();
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK')) throw error;
    await rename(from, to);
  }
}

function keptOwner(
  own: BigIntStats | undefined,
): { readonly uid: number; readonly gid: number } | undefined {
  if (own === undefined || process.getuid?.() !== 0) return undefined;
  return { uid: Number(own.uid), gid: Number(own.gid) };
}

async function orFailure<T>(
  path: string,
  near: string,
  needed: number,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw await failure(path, near, needed, error);
  }
}
