import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import * as v from 'valibot';
import type { FrameStream } from '../../common/frames.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError, sha256 } from '../../protocol/index.ts';
import { isErrno } from '../state/durable.ts';
import {
  compresses,
  contentFrame,
  holeFrame,
  partBytes,
  readContentFrame,
  readFully,
  splitHoles,
  unexpected,
  zeros,
} from './contentFrames.ts';
import { identityOf, throwIfCancelled } from './hashing.ts';
import { carriedPath, type Entry, type FileEntry } from './manifest.ts';
import { type Missing, PieceReceiver, type PieceTransfer, sendPieces } from './pieceTransfer.ts';
import { LinkInPath, Tree } from './tree.ts';

/**
 * Files on a frame stream, in the order of the list that both sides know:
 *
 *     {type:'file', path}  data*  {type:'end', sha256} | {type:'changed'}     for every file
 *     {type:'done'}
 *
 * For the payload of the data frames see `contentFrames.ts`; where the head has `pieces`, `pieceTransfer.ts`. `changed`:
 * the file is not what the list says any more; what came of it is at most a base for sending it again.
 */
const fileHead = v.object({
  type: v.literal('file'),
  path: carriedPath,
  pieces: v.optional(v.boolean(), false),
});
const fileTail = v.variant('type', [
  v.object({ type: v.literal('end'), sha256 }),
  v.object({ type: v.literal('changed') }),
]);
const done = v.object({ type: v.literal('done') });

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the content bytes that were added, holes included. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export interface SendOptions extends TransferOptions {
  /** Paths of files that the other device has something of, and how to wait for what it says to their pieces. */
  readonly based?:
    | {
        readonly paths: ReadonlySet<string>;
        readonly answer: () => Promise<Missing>;
      }
    | undefined;
}

/** Waits for the stream, or for the cancellation. */
export type Waiting = <T>(operation: Promise<T>) => Promise<T>;

export interface TransferResult {
  /** Paths that changed while they were sent, or were gone: describe and send them again once all is frozen. */
  readonly changed: string[];
}

/** One file on its way in. `write` never leaves less than all bytes written; a position is written once. */
export interface IncomingFile {
  write(data: Buffer, position: number): Promise<void>;
  /** The content is complete and right. */
  accept(): Promise<void>;
  /** It is not taken. Nothing of it stays at its place. */
  discard(): Promise<void>;
}

/** Where received files go: a cell's layer, or beside the real files at home. */
export interface FileSink {
  create(entry: FileEntry): Promise<IncomingFile>;
  /** Files that may have parts of its content, the likeliest first; whoever asks closes them. */
  bases?(entry: FileEntry): Promise<readonly FileHandle[]>;
}

/**
 * Sends the content of the files among `entries`.
 * @param view `/` or a cell's view
 * @throws {FlickError} `cancelled`, `transferFailed`
 */
export async function sendFiles(
  frames: FrameStream,
  view: string,
  entries: readonly Entry[],
  options: SendOptions = {},
): Promise<TransferResult> {
  const changed: string[] = [];
  const tree = await Tree.open(view);
  try {
    for (const entry of entries) {
      if (entry.kind !== 'file') continue;
      throwIfCancelled(options.signal);
      const pieces = options.based?.paths.has(entry.path) === true;
      await pass(
        frames.sendJson({ type: 'file', path: entry.path, ...(pieces ? { pieces } : {}) }),
        options.signal,
      );
      const sha = await sendContent(frames, tree, entry, options);
      if (sha === undefined) changed.push(entry.path);
      await pass(
        frames.sendJson(sha === undefined ? { type: 'changed' } : { type: 'end', sha256: sha }),
        options.signal,
      );
    }
    await pass(frames.sendJson({ type: 'done' }), options.signal);
  } finally {
    await tree.close();
  }
  return { changed };
}

/**
 * Sends files whose content is at hand, in pieces of any size.
 * @throws {FlickError} `cancelled`, `transferFailed`; errors of `contentOf`
 */
export async function sendStoredFiles(
  frames: FrameStream,
  entries: readonly Entry[],
  contentOf: (entry: FileEntry) => AsyncIterable<Buffer>,
  options: TransferOptions = {},
): Promise<void> {
  for (const entry of entries) {
    if (entry.kind !== 'file') continue;
    throwIfCancelled(options.signal);
    await pass(frames.sendJson({ type: 'file', path: entry.path }), options.signal);
    for await (const data of contentOf(entry)) {
      for (let start = 0; start < data.length; start += partBytes) {
        const part = data.subarray(start, start + partBytes);
        await pass(frames.sendData(await contentFrame(part, false)), options.signal);
      }
      options.onProgress?.(data.length);
    }
    await pass(frames.sendJson({ type: 'end', sha256: entry.sha256 }), options.signal);
  }
  await pass(frames.sendJson({ type: 'done' }), options.signal);
}

/**
 * Sends what there is, no more than the entry says: a file that grows all the time is sent too, so that little is left
 * of it when all stands still.
 * @returns the hash of what was sent; undefined when it is not what the entry says
 */
async function sendContent(
  frames: FrameStream,
  tree: Tree,
  entry: FileEntry,
  options: SendOptions,
): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await tree.openFile(entry.path);
  } catch (error) {
    if (error instanceof LinkInPath || isErrno(error, 'ENOENT', 'EACCES', 'ELOOP'))
      return undefined;
    throw failed(`read ${entry.path}`, error);
  }
  try {
    const before = await file.stat({ bigint: true });
    const hash = createHash('sha256');
    const { based, signal, onProgress } = options;
    const wait: Waiting = (operation) => pass(operation, signal);
    const sent =
      based?.paths.has(entry.path) === true
        ? await sendPieces(file, entry.size, based.answer, {
            ...{ frames, hash, wait, signal, onProgress },
          })
        : await sendWhole(file, entry.size, { frames, hash, wait, signal, onProgress });
    const digest = hash.digest('hex');
    const after = await file.stat({ bigint: true });
    const same = identityOf(after) === identityOf(before) && Number(after.size) === sent;
    return same && digest === entry.sha256 ? digest : undefined;
  } catch (error) {
    if (error instanceof FlickError) throw error;
    throw failed(`read ${entry.path}`, error);
  } finally {
    await file.close();
  }
}

async function sendWhole(
  file: FileHandle,
  size: number,
  { frames, hash, wait, signal, onProgress }: PieceTransfer,
): Promise<number> {
  let pays: boolean | undefined;
  let position = 0;
  while (position < size) {
    throwIfCancelled(signal);
    const chunk = await readFully(file, position, Math.min(partBytes, size - position));
    if (chunk.length === 0) break;
    hash.update(chunk);
    for (const part of splitHoles(chunk)) {
      if (!part.hole) pays ??= await compresses(part.data);
      const frame = part.hole
        ? holeFrame(part.data.length)
        : await contentFrame(part.data, pays ?? false);
      await wait(frames.sendData(frame));
    }
    position += chunk.length;
    onProgress?.(chunk.length);
  }
  return position;
}

/**
 * Receives the files among `expected`, in that order, and hands each to the sink. What does not match its entry in
 * size and SHA-256 is never accepted.
 * @throws {FlickError} `transferFailed` when the peer sends anything else; `cancelled`; errors of the sink
 */
export async function receiveFiles(
  frames: FrameStream,
  sink: FileSink,
  expected: readonly Entry[],
  options: TransferOptions = {},
): Promise<TransferResult> {
  const changed: string[] = [];
  for (const entry of expected) {
    if (entry.kind !== 'file') continue;
    throwIfCancelled(options.signal);
    const head = v.safeParse(fileHead, await receiveMessage(frames, options.signal));
    if (!head.success || head.output.path !== entry.path) {
      throw unexpected(`another file than ${entry.path}`);
    }
    const incoming = await sink.create(entry);
    let accepted = false;
    try {
      accepted = head.output.pieces
        ? await receivePieces(frames, sink, incoming, entry, options)
        : await receiveContent(frames, incoming, entry, options);
      if (accepted) await incoming.accept();
    } catch (error) {
      await incoming.discard();
      throw error;
    }
    if (!accepted) {
      await incoming.discard();
      changed.push(entry.path);
    }
  }
  if (!v.is(done, await receiveMessage(frames, options.signal)))
    throw unexpected('more than was agreed');
  return { changed };
}

async function receiveContent(
  frames: FrameStream,
  incoming: IncomingFile,
  entry: FileEntry,
  options: TransferOptions,
): Promise<boolean> {
  const hash = createHash('sha256');
  let position = 0;
  for (;;) {
    throwIfCancelled(options.signal);
    const frame = await pass(frames.receive(), options.signal);
    if (frame.kind === 'json') return isComplete(frame.value, entry, position, hash);
    const part = await readContentFrame(frame.data, entry.size - position, entry.path);
    if (part.data === undefined) {
      for (let rest = part.length; rest > 0; rest -= zeros.length) {
        hash.update(rest < zeros.length ? zeros.subarray(0, rest) : zeros);
      }
    } else {
      hash.update(part.data);
      await incoming.write(part.data, position);
    }
    position += part.length;
    options.onProgress?.(part.length);
  }
}

async function receivePieces(
  frames: FrameStream,
  sink: FileSink,
  incoming: IncomingFile,
  entry: FileEntry,
  { signal, onProgress }: TransferOptions,
): Promise<boolean> {
  const hash = createHash('sha256');
  const wait: Waiting = (operation) => pass(operation, signal);
  const bases = (await sink.bases?.(entry)) ?? [];
  try {
    const transfer = { frames, hash, wait, signal, onProgress };
    const receiver = await PieceReceiver.open(incoming, entry, bases, transfer);
    for (;;) {
      throwIfCancelled(signal);
      const frame = await wait(frames.receive());
      if (frame.kind === 'json') return isComplete(frame.value, entry, receiver.position, hash);
      await receiver.stretch(frame.data);
    }
  } finally {
    for (const base of bases) await base.close();
  }
}

/** What the message after a content means. @returns false when the file has changed while it was sent */
function isComplete(message: unknown, entry: FileEntry, received: number, hash: Hash): boolean {
  const tail = v.safeParse(fileTail, message);
  if (!tail.success) throw unexpected(`something else in the middle of ${entry.path}`);
  if (tail.output.type === 'changed') return false;
  const digest = hash.digest('hex');
  if (received !== entry.size || digest !== entry.sha256 || digest !== tail.output.sha256) {
    throw unexpected(`${entry.path} with another content than announced`);
  }
  return true;
}

async function receiveMessage(
  frames: FrameStream,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const frame = await pass(frames.receive(), signal);
  if (frame.kind !== 'json') throw unexpected('content that nobody asked for');
  return frame.value;
}

/** Waits for the stream, or for the cancellation; its failures become failures of the transfer. */
async function pass<T>(operation: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  let onAbort = (): void => undefined;
  const cancelled = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(new FlickError('cancelled', 'The move was cancelled.'));
    };
    signal?.addEventListener('abort', onAbort);
  });
  try {
    throwIfCancelled(signal);
    return await Promise.race([operation, cancelled]);
  } catch (error) {
    if (error instanceof FlickError) throw error;
    throw new FlickError('transferFailed', `The files did not get through: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function failed(what: string, error: unknown): FlickError {
  return new FlickError('transferFailed', `Failed to ${what}: ${messageOf(error)}`, {
    cause: error,
  });
}
