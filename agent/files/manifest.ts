import * as v from 'valibot';
import { bytes, sha256 } from '../../protocol/index.ts';

/** Most entries that travel with one process. */
export const maxEntries = 200_000;
/** Largest file and largest sum of files, in bytes: beyond it a manifest is a mistake or an attack. */
export const maxFileBytes = 16 * 2 ** 40;
const maxPathBytes = 4095;
const maxNameBytes = 255;

/** Trees that belong to the kernel or to a device's hardware. Only POSIX shared memory lives among them. */
const kernelTrees = ['/proc', '/sys', '/dev'];
const sharedMemory = '/dev/shm/';

/** True when a path is absolute and normalised (no `.`, `..`, `//`, trailing slash or NUL) and fits into PATH_MAX. */
export function isPlainPath(path: string): boolean {
  if (path === '/') return true;
  if (!path.startsWith('/') || path.includes('\0')) return false;
  if (Buffer.byteLength(path) > maxPathBytes) return false;
  return path
    .slice(1)
    .split('/')
    .every((name) => name !== '' && name !== '.' && name !== '..' && fitsName(name));
}

/** True when a plain path may travel: not below /proc, /sys or /dev, except in /dev/shm. */
export function isCarriable(path: string): boolean {
  if (!isPlainPath(path)) return false;
  if (path.startsWith(sharedMemory)) return true;
  return !kernelTrees.some((tree) => isBelow(path, tree));
}

/** True when `path` is `tree` or lies below it; both plain. */
export function isBelow(path: string, tree: string): boolean {
  return tree === '/' || path === tree || path.startsWith(`${tree}/`);
}

/** The directory that holds a plain path; the root holds itself. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function childOf(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}

function fitsName(name: string): boolean {
  return Buffer.byteLength(name) <= maxNameBytes;
}

export const carriedPath = v.pipe(
  v.string(),
  v.check(isCarriable, 'The path is not one that may travel with a process.'),
);

/** Why a path travels: mapped or open in the process, below a carried tree, its working directory, made while away. */
export const entryRoles = ['mapped', 'open', 'carried', 'cwd', 'new'] as const;
export type EntryRole = (typeof entryRoles)[number];

const common = {
  path: carriedPath,
  role: v.picklist(entryRoles),
  /** Permission bits with setuid, setgid and sticky (CRIU compares them); writers never grant setuid or setgid. */
  mode: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0o7777)),
  /** Milliseconds since 1970. */
  mtimeMs: v.pipe(v.number(), v.finite()),
  /** Numeric owner on the source. Only a receiver that is root itself uses it, inside a cell's layer. */
  owner: v.optional(v.object({ uid: bytes, gid: bytes })),
};
export const fileEntry = v.object({
  kind: v.literal('file'),
  ...common,
  size: v.pipe(bytes, v.maxValue(maxFileBytes)),
  sha256,
});
export type FileEntry = v.InferOutput<typeof fileEntry>;
export const directoryEntry = v.object({ kind: v.literal('directory'), ...common });
export const symlinkEntry = v.object({
  kind: v.literal('symlink'),
  ...common,
  target: v.pipe(
    v.string(),
    v.minLength(1),
    v.check((target) => !target.includes('\0') && Buffer.byteLength(target) <= maxPathBytes),
  ),
});
/** What the process deleted while it was away: a file, a link or a whole directory. */
export const deletedEntry = v.object({
  kind: v.literal('deleted'),
  path: carriedPath,
  role: v.picklist(entryRoles),
});

/** One thing that travels with a process. */
export const entry = v.variant('kind', [fileEntry, directoryEntry, symlinkEntry, deletedEntry]);
export type Entry = v.InferOutput<typeof entry>;

/** All of them, each path once, the sum of sizes bounded. */
export const manifest = v.pipe(
  v.array(entry),
  v.rawCheck(({ dataset, addIssue }) => {
    const problem = dataset.typed ? problemOf(dataset.value) : undefined;
    if (problem !== undefined) addIssue({ message: problem });
  }),
);

/** Why entries that are right each by themselves are no manifest; undefined when they are one. */
export function problemOf(entries: readonly Entry[]): string | undefined {
  if (entries.length > maxEntries) return `More than ${maxEntries} files travel with the process.`;
  if (new Set(entries.map((each) => each.path)).size !== entries.length) {
    return 'The list of files names a path twice.';
  }
  return totalBytes(entries) > maxFileBytes
    ? 'The files that travel with the process are too large.'
    : undefined;
}

/** Content bytes of the files among the entries. */
export function totalBytes(entries: Iterable<Entry>): number {
  let sum = 0;
  for (const each of entries) if (each.kind === 'file') sum += each.size;
  return sum;
}

/** Parents before children, so that directories exist when their content is placed. */
export function inPathOrder<T extends { readonly path: string }>(entries: Iterable<T>): T[] {
  return [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/**
 * A directory that the process works in or holds open: CRIU restores it only where its mode is the same
 * (criu/files-reg.c, `open_path`).
 */
export function needsOwnMode(entry: Entry): boolean {
  return entry.kind === 'directory' && (entry.role === 'cwd' || entry.role === 'open');
}
