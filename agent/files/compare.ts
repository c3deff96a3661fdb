import { constants } from 'node:fs';
import { isErrno } from '../state/durable.ts';
import { Hasher } from './hashing.ts';
import { childOf, type Entry, type FileEntry, nameOf, parentOf } from './manifest.ts';
import { LinkInPath, Tree } from './tree.ts';

export interface Lacking {
  /** Paths of the entries that the device does not have, or not so: they must be placed. */
  readonly needed: string[];
  /** Content bytes of the files among them. */
  readonly bytes: number;
}

/**
 * Which entries a device lacks or has otherwise: files by size, mode and SHA-256 (CRIU refuses a file with another
 * size or mode, criu/files-reg.c), links by target, directories by being there.
 * @param base `/`, or a cell's view
 * @throws {FlickError} `cancelled`
 */
export async function lacking(
  entries: readonly Entry[],
  base: string,
  options: { readonly hasher?: Hasher; readonly signal?: AbortSignal } = {},
): Promise<Lacking> {
  const tree = await Tree.open(base);
  const hasher = options.hasher ?? new Hasher();
  const needed: string[] = [];
  let bytes = 0;
  try {
    for (const entry of entries) {
      if (await hasAlready(tree, entry, hasher, options.signal)) continue;
      needed.push(entry.path);
      if (entry.kind === 'file') bytes += entry.size;
    }
  } finally {
    await tree.close();
  }
  return { needed, bytes };
}

async function hasAlready(
  tree: Tree,
  entry: Entry,
  hasher: Hasher,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (entry.kind === 'file') return await hasFile(tree, entry, hasher, signal);
  // The process asks for the path and the kernel follows links on the way, so a linked directory is as good.
  const parent = await leadsTo(tree, parentOf(entry.path));
  if (parent === undefined) return false;
  const own = childOf(parent, nameOf(entry.path));
  if (entry.kind === 'directory') {
    const path = await leadsTo(tree, own);
    return path !== undefined && (await tree.status(path))?.isDirectory() === true;
  }
  const status = await tree.status(own);
  if (entry.kind === 'deleted') return status === undefined;
  return status?.isSymbolicLink() === true && (await tree.linkTarget(own)) === entry.target;
}

async function hasFile(
  tree: Tree,
  entry: FileEntry,
  hasher: Hasher,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const path = await leadsTo(tree, entry.path);
  if (path === undefined) return false;
  try {
    const status = await tree.status(path);
    if (status?.isFile() !== true || Number(status.size) !== entry.size) return false;
    if ((Number(status.mode) & ~constants.S_IFMT) !== entry.mode) return false;
    const file = await tree.openFile(path);
    try {
      return (await hasher.hash(file, { signal }))?.sha256 === entry.sha256;
    } finally {
      await file.close();
    }
  } catch (error) {
    // What the user cannot read, the process cannot open: it gets its own.
    if (error instanceof LinkInPath || isErrno(error, 'EACCES', 'EPERM', 'ENOENT')) return false;
    throw error;
  }
}

async function leadsTo(tree: Tree, path: string): Promise<string | undefined> {
  try {
    return (await tree.resolve(path)).path;
  } catch (error) {
    if (error instanceof LinkInPath || isErrno(error, 'EACCES')) return undefined;
    throw error;
  }
}
