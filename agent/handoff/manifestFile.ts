import { setImmediate as breathe } from 'node:timers/promises';
import * as v from 'valibot';
import { describeIssues } from '../../common/rpc.ts';
import { FlickError } from '../../protocol/index.ts';
import { entry, problemOf, type Entry } from '../files/manifest.ts';
import { readValidated, writeDurably } from '../state/durable.ts';

/** Entries that are looked at before others have their turn in the agent. */
const entriesAtOnce = 500;
const someEntries = v.array(entry);

/**
 * What came along with a process to this device, kept for its next hop.
 * @throws {FlickError} `internal` when it is damaged
 */
export async function readManifest(path: string): Promise<readonly Entry[]> {
  const list = (await readValidated(path, v.array(v.unknown()))) ?? [];
  const entries: Entry[] = [];
  for (let start = 0; start < list.length; start += entriesAtOnce) {
    await breathe();
    const checked = v.safeParse(someEntries, list.slice(start, start + entriesAtOnce));
    if (!checked.success) throw damaged(path, describeIssues(checked.issues));
    for (const each of checked.output) entries.push(each);
  }
  const problem = problemOf(entries);
  if (problem !== undefined) throw damaged(path, problem);
  return entries;
}

export async function writeManifest(path: string, entries: readonly Entry[]): Promise<void> {
  await writeDurably(path, `${JSON.stringify(entries)}\n`);
}

function damaged(path: string, why: string): FlickError {
  return new FlickError('internal', `The file ${path} is damaged: ${why}`);
}
