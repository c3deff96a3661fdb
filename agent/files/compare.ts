import { type BigIntStats, constants } from 'node:fs';
import { isErrno } from '../state/durable.ts';
import { Hasher, throwIfCancelled } from './hashing.ts';
import { childOf, type Entry, type FileEntry, nameOf, needsOwnMode, parentOf } from './manifest.ts';
import { LinkInPath, Tree } from './tree.ts';

export interface Lacking {
  /** Paths of the entries that the device does not have, or not so: they must be placed. */
  readonly needed: string[];
  /** Content bytes of the files among them. */
  readonly bytes: number;
}

/**
 * Which entries a device lacks or has otherwise: files by size, mode and SHA-256 (CRIU refuses a file with another
 * size or mode, criu/files-reg.c), links by target, directories by being there, those that the process works in by mode too.
 * @param base `/`, or a cell's view
 * @throws {FlickError} `cancelled`
 */
export async function lacking(
  entries: readonly Entry[],
  base: string,
  options: { readonly hasher?: Hasher; readonly signal?: AbortSignal } = {},
): Promise<Lacking> {
  const tree = await Tree.open(base);
  const comparison = new Comparison(tree, options.hasher ?? new Hasher(), options.signal);
  const needed: string[] = [];
  let bytes = 0;
  try {
    for (const entry of entries) {
      throwIfCancelled(options.signal);
      if (await comparison.has(entry)) continue;
      needed.push(entry.path);
      if (entry.kind === 'file') bytes += entry.size;
    }
  } finally {
    await tree.close();
  }
  return { needed, bytes };
}

class Comparison {
  readonly #tree: Tree;
  readonly #hasher: Hasher;
  readonly #signal: AbortSignal | undefined;
  /** Where directories lead, links followed: undefined for those that cannot be looked at. */
  readonly #folders = new Map<string, string | undefined>();

  constructor(tree: Tree, hasher: Hasher, signal: AbortSignal | undefined) {
    this.#tree = tree;
    this.#hasher = hasher;
    this.#signal = signal;
  }

  async has(entry: Entry): Promise<boolean> {
    try {
      return await this.#has(entry);
    } catch (error) {
      // What the user cannot read, the process cannot open: it gets its own.
      if (error instanceof LinkInPath || isErrno(error, 'EACCES', 'EPERM', 'ENOENT')) return false;
      throw error;
    }
  }

  async #has(entry: Entry): Promise<boolean> {
    const folder = await this.#folder(parentOf(entry.path));
    if (folder === undefined) return false;
    const path = childOf(folder, nameOf(entry.path));
    const own = await this.#tree.status(path);
    switch (entry.kind) {
      case 'deleted':
        return own === undefined;
      case 'symlink':
        return (
          own?.isSymbolicLink() === true && (await this.#tree.linkTarget(path)) === entry.target
        );
      case 'directory':
      case 'file': {
        // The process asks for the path and the kernel follows links, so what a link leads to is as good.
        const isLink = own?.isSymbolicLink() === true;
        const real = isLink ? (await this.#tree.resolve(path)).path : path;
        const status = isLink ? await this.#tree.status(real) : own;
        if (entry.kind === 'directory') {
          if (status?.isDirectory() !== true) return false;
          return !needsOwnMode(entry) || modeOf(status) === entry.mode;
        }
        return status !== undefined && (await this.#hasContent(real, status, entry));
      }
    }
  }

  async #hasContent(path: string, status: BigIntStats, entry: FileEntry): Promise<boolean> {
    if (!status.isFile() || Number(status.size) !== entry.size) return false;
    if (modeOf(status) !== entry.mode) return false;
    const known = this.#hasher.known(status);
    if (known !== undefined) return known === entry.sha256;
    const file = await this.#tree.openFile(path);
    try {
      return (await this.#hasher.hash(file, { signal: this.#signal }))?.sha256 === entry.sha256;
    } finally {
      await file.close();
    }
  }

  async #folder(folder: string): Promise<string | undefined> {
    if (this.#folders.has(folder)) return this.#folders.get(folder);
    let real: string | undefined;
    try {
      real = (await this.#tree.resolve(folder)).path;
    } catch (error) {
      if (!(error instanceof LinkInPath) && !isErrno(error, 'EACCES')) throw error;
    }
    this.#folders.set(folder, real);
    return real;
  }
}

function modeOf(status: BigIntStats): number {
  return Number(status.mode) & ~constants.S_IFMT;
}
