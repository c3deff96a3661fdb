import type { BigIntStats } from 'node:fs';
import { rename, rm, rmdir } from 'node:fs/promises';
import * as v from 'valibot';
import { text } from '../../protocol/index.ts';
import { isErrno, readValidated } from '../state/durable.ts';
import { carriedPath, nameOf, parentOf } from './manifest.ts';
import { LinkInPath, Tree } from './tree.ts';

/** One change of the device's files. `temp` and `backup` lie on the same file system as `path`. */
const operation = v.variant('kind', [
  v.object({ kind: v.literal('folder'), path: carriedPath, mode: v.number() }),
  v.object({
    kind: v.literal('put'),
    path: carriedPath,
    temp: carriedPath,
    /** Where home's own goes; null when there must be none. */
    backup: v.nullable(carriedPath),
    /** Status of home's own when all was decided (`identityOf`). */
    identity: v.nullable(text),
    /** Set for links. */
    link: v.nullable(v.object({ target: text, mtimeMs: v.number() })),
  }),
  v.object({
    kind: v.literal('remove'),
    path: carriedPath,
    backup: carriedPath,
    identity: text,
  }),
  v.object({ kind: v.literal('removeFolder'), path: carriedPath }),
]);
export type Operation = v.InferOutput<typeof operation>;
export type Put = Operation & { kind: 'put' };

export const journal = v.object({
  version: v.literal(1),
  base: text,
  /** From `committed` on there is only one way, whatever the handoff says. */
  state: v.picklist(['prepared', 'committed']),
  operations: v.array(operation),
});
export type Journal = v.InferOutput<typeof journal>;

/**
 * Ends what a crash interrupted. The verdict is that of the handoff: `commit` when the process runs here.
 * A journal that is not there (any more) needs nothing.
 */
export async function recoverHomecoming(
  journalPath: string,
  verdict: 'commit' | 'abort',
): Promise<void> {
  const record = await readValidated(journalPath, journal);
  if (record === undefined) return;
  const tree = await Tree.open(record.base);
  const ends = record.state === 'committed' ? 'commit' : verdict;
  if (ends === 'commit') await finish(tree, record.operations, journalPath);
  else await revert(tree, record.operations, journalPath);
}

/** Idempotent: whatever is gone already stays gone. */
export async function finish(
  tree: Tree,
  operations: readonly Operation[],
  journalPath: string,
): Promise<void> {
  try {
    for (const each of operations) {
      if (each.kind === 'put') {
        await removeIn(tree, each.temp);
        if (each.backup !== null) await removeIn(tree, each.backup);
      } else if (each.kind === 'remove') await removeIn(tree, each.backup);
    }
    for (const each of [...operations].reverse()) {
      if (each.kind === 'removeFolder') await removeFolder(tree, each.path);
    }
    await rm(journalPath, { force: true });
  } finally {
    await tree.close();
  }
}

/** Idempotent, and right from any point at which `place` may have stopped. */
export async function revert(
  tree: Tree,
  operations: readonly Operation[],
  journalPath: string,
): Promise<void> {
  try {
    const failures: unknown[] = [];
    for (const each of [...operations].reverse()) {
      try {
        if (each.kind === 'put') await takeBack(tree, each);
        else if (each.kind === 'remove') await bringBack(tree, each.path, each.backup);
        else if (each.kind === 'folder') await removeFolder(tree, each.path);
      } catch (error) {
        failures.push(error);
      }
    }
    // The others are back all the same; with its journal kept, this one can be tried again.
    if (failures.length > 0) throw failures[0];
    await rm(journalPath, { force: true });
  } finally {
    await tree.close();
  }
}

async function takeBack(tree: Tree, each: Put): Promise<void> {
  const temp = await statusIn(tree, each.temp);
  const placed = await statusIn(tree, each.path);
  if (each.backup === null) {
    if (temp !== undefined && placed !== undefined && sameInode(temp, placed)) {
      await removeIn(tree, each.path);
    }
  } else {
    const own = await statusIn(tree, each.backup);
    // With the temporary file still there ours was never at the path: what is there now is home's own or its successor.
    const isTheirs = temp !== undefined && placed !== undefined;
    if (own !== undefined && isTheirs) await removeIn(tree, each.backup);
    else if (own !== undefined) await renameIn(tree, each.backup, each.path);
  }
  await removeIn(tree, each.temp);
}

async function bringBack(tree: Tree, path: string, backup: string): Promise<void> {
  // Something made at the path meanwhile stays, and home's own is not lost: it keeps its hidden name.
  if ((await statusIn(tree, backup)) === undefined || (await statusIn(tree, path)) !== undefined)
    return;
  await renameIn(tree, backup, path);
}

async function renameIn(tree: Tree, from: string, to: string): Promise<void> {
  await tree.within(parentOf(to), (at) => rename(at(nameOf(from)), at(nameOf(to))));
}

/** A directory that has become something else holds nothing of ours. */
async function statusIn(tree: Tree, path: string): Promise<BigIntStats | undefined> {
  try {
    return await tree.status(path);
  } catch (error) {
    if (error instanceof LinkInPath) return undefined;
    throw error;
  }
}

async function removeIn(tree: Tree, path: string): Promise<void> {
  try {
    await tree.at(path, (at) => rm(at, { force: true }));
  } catch (error) {
    if (!(error instanceof LinkInPath) && !isErrno(error, 'ENOENT')) throw error;
  }
}

async function removeFolder(tree: Tree, path: string): Promise<void> {
  await tree.forget(path);
  try {
    await tree.at(path, (at) => rmdir(at));
  } catch (error) {
    // Somebody has put something into it: then it stays.
    const stays = isErrno(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST', 'EACCES', 'EPERM');
    if (!stays && !(error instanceof LinkInPath)) throw error;
  }
}

function sameInode(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}
