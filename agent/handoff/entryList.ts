import { setImmediate as breathe } from 'node:timers/promises';
import * as v from 'valibot';
import type { FrameStream } from '../../common/frames.ts';
import { FlickError } from '../../protocol/index.ts';
import { entry, maxEntries, problemOf, type Entry } from '../files/manifest.ts';
import { expect } from './messages.ts';

/** Entries a message: with paths of 4 KiB this stays below the limit of a frame. */
const entriesPerMessage = 100;
const indicesPerMessage = 20_000;
/** Entries that are dealt with before others have their turn in the agent. */
const entriesAtOnce = 500;

const entriesMessage = v.object({
  type: v.literal('entries'),
  /** An entry, or the place in the earlier list of one that is as it was. */
  entries: v.pipe(v.array(v.union([v.number(), entry])), v.maxLength(entriesPerMessage)),
  last: v.boolean(),
});
const indexList = v.pipe(
  v.array(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxEntries))),
  v.maxLength(indicesPerMessage),
);
const neededMessage = v.object({
  type: v.literal('needed'),
  indices: indexList,
  /** Those of them of which the other side has something already: they come in pieces (`agent/files/pieceTransfer.ts`). */
  based: v.optional(indexList, []),
  last: v.boolean(),
});

/** What the other side wants. */
export interface Needed {
  /** In the order in which they were announced. */
  readonly entries: Entry[];
  /** Paths of those of which it has something already. */
  readonly based: ReadonlySet<string>;
}

/**
 * Announces files to the other side, in several messages when there are many.
 * @param earlier list that the other side has already: what is in it costs a number only
 */
export async function sendEntries(
  frames: FrameStream,
  entries: readonly Entry[],
  earlier: readonly Entry[],
): Promise<void> {
  const places = new Map<string, number>();
  for (const [index, each] of earlier.entries()) {
    if (index % entriesAtOnce === 0) await breathe();
    places.set(JSON.stringify(each), index);
  }
  for (let start = 0; ; start += entriesPerMessage) {
    if (start % entriesAtOnce === 0) await breathe();
    const last = start + entriesPerMessage >= entries.length;
    await frames.sendJson({
      type: 'entries',
      entries: entries
        .slice(start, start + entriesPerMessage)
        .map((each) => places.get(JSON.stringify(each)) ?? each),
      last,
    });
    if (last) return;
  }
}

/** @throws {FlickError} `transferFailed` when the list is not one that an honest agent makes */
export async function receiveEntries(
  frames: FrameStream,
  earlier: readonly Entry[],
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (;;) {
    if (entries.length % entriesAtOnce === 0) await breathe();
    const message = await expect(frames, entriesMessage);
    for (const each of message.entries) {
      const known = typeof each === 'number' ? earlier[each] : each;
      if (known === undefined) {
        throw new FlickError('transferFailed', 'The list of files names one that was not in it.');
      }
      entries.push(known);
    }
    if (entries.length > maxEntries) break;
    if (message.last) break;
  }
  const problem = problemOf(entries);
  if (problem !== undefined) {
    throw new FlickError('transferFailed', `The list of files was refused: ${problem}`);
  }
  return entries;
}

/**
 * Says which of the announced entries are wanted, by their place in the list.
 * @param based paths of those of which something is here already
 */
export async function sendNeeded(
  frames: FrameStream,
  entries: readonly Entry[],
  needed: ReadonlySet<string>,
  based: ReadonlySet<string> = new Set(),
): Promise<void> {
  const indices = entries.flatMap((each, index) => (needed.has(each.path) ? [index] : []));
  for (let start = 0; ; start += indicesPerMessage) {
    const last = start + indicesPerMessage >= indices.length;
    const some = indices.slice(start, start + indicesPerMessage);
    await frames.sendJson({
      type: 'needed',
      indices: some,
      based: some.filter((index) => based.has(entries[index]?.path ?? '')),
      last,
    });
    if (last) return;
  }
}

export async function receiveNeeded(
  frames: FrameStream,
  entries: readonly Entry[],
): Promise<Needed> {
  const wanted = new Set<number>();
  const based = new Set<string>();
  for (;;) {
    const message = await expect(frames, neededMessage);
    for (const index of message.indices) wanted.add(index);
    for (const index of message.based) based.add(entries[index]?.path ?? '');
    if (message.last || wanted.size > entries.length) break;
  }
  return { entries: entries.filter((_, index) => wanted.has(index)), based };
}
