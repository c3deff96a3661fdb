import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import type { FileEntry } from './manifest.ts';

/** Where programs and what people work on lie, layers of cells among them. */
const usualRoots = [homedir(), '/usr/local', '/opt', '/srv', '/usr/lib', '/usr/bin', '/usr/share'];
/** A look at the whole disk would take longer than sending the files. In ms. */
const patience = 2_000;
/** Candidates for a file. */
const most = 2;

/**
 * Files of this device that have the name and the size of files that are to come, by the paths of these: most often the
 * same program or package, installed elsewhere. Whether they really are the same their content has to say.
 * @param roots absolute; links are not followed
 */
export async function findElsewhere(
  entries: readonly FileEntry[],
  { roots = usualRoots, signal }: { roots?: readonly string[]; signal?: AbortSignal } = {},
): Promise<ReadonlyMap<string, readonly string[]>> {
  const byName = new Map<string, FileEntry[]>();
  for (const each of entries) {
    const name = basename(each.path);
    byName.set(name, [...(byName.get(name) ?? []), each]);
  }
  const found = new Map<string, string[]>();
  const deadline = performance.now() + patience;
  const pending = [...new Set(roots)];
  const seen = new Set(pending);
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (byName.size === 0 || performance.now() > deadline || signal?.aborted === true) break;
    const folder = next;
    const content: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const each of content) {
      const path = join(folder, each.name);
      if (each.isDirectory() && !seen.has(path)) {
        seen.add(path);
        pending.push(path);
      } else if (each.isFile()) {
        for (const entry of byName.get(each.name) ?? []) await compare(entry, path, found);
      }
    }
  }
  return found;
}

async function compare(
  entry: FileEntry,
  path: string,
  found: Map<string, string[]>,
): Promise<void> {
  const known = found.get(entry.path) ?? [];
  if (path === entry.path || known.length === most) return;
  const status = await lstat(path).catch(() => undefined);
  if (status?.isFile() === true && status.size === entry.size)
    found.set(entry.path, [...known, path]);
}
