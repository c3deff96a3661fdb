import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants as zlibConstants, gunzip, gzip } from 'node:zlib';
import * as v from 'valibot';
import type { FrameStream } from '../../common/frames.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError, sha256 } from '../../protocol/index.ts';
import { isErrno } from '../state/durable.ts';
import { identityOf, throwIfCancelled } from './hashing.ts';
import { carriedPath, type Entry, type FileEntry } from './manifest.ts';
import { LinkInPath, Tree } from './tree.ts';

/**
 * Files on a frame stream, in the order of the list that both sides know:
 *
 *     {type:'file', path}  data*  {type:'end', sha256} | {type:'changed'}     for every file
 *     {type:'done'}
 *
 * The payload of a data frame begins with one byte: 0 content as it is; 1 `u32be length` and gzip of that many bytes;
 * 2 `u64be length` of zeros. `changed`: the file is not what the list says any more; what came of it is dropped.
 */
const rawChunk = 0;
const gzipChunk = 1;
const holeChunk = 2;
const chunkBytes = 512 * 1024;
/** Runs of zeros from this size on travel as a length, and are holes at the other end (tmpfs and ext4: 4 KiB). */
const holeBytes = 64 * 1024;
const sampleBytes = 64 * 1024;
const zeros = Buffer.alloc(holeBytes);
const compress = promisify<Buffer, { level: number }, Buffer>(gzip);
const expand = promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip);

const fileHead = v.object({ type: v.literal('file'), path: carriedPath });
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

export interface TransferResult {
  /** Paths that changed while they were sent, or were gone: describe and send them again once all is frozen. */
  readonly changed: string[];
}

/** One file on its way in. `write` never leaves less than all bytes written; a position is written once. */
export interface IncomingFile {
  write(data: Buffer, position: number): Promise<void>;
  /** The content is complete and right. */
  accept(): Promise<void>;
  /** Nothing of it stays. */
  discard(): Promise<void>;
}

/** Where received files go: a cell's layer, or beside the real files at home. */
export interface FileSink {
  create(entry: FileEntry): Promise<IncomingFile>;
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
  options: TransferOptions = {},
): Promise<TransferResult> {
  const changed: string[] = [];
  const tree = await Tree.open(view);
  try {
    for (const entry of entries) {
      if (entry.kind !== 'file') continue;
      throwIfCancelled(options.signal);
      await pass(frames.sendJson({ type: 'file', path: entry.path }), options.signal);
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
      for (let start = 0; start < data.length; start += chunkBytes) {
        const part = data.subarray(start, start + chunkBytes);
        await pass(frames.sendData(await contentFrame(part, false)), options.signal);
      }
      options.onProgress?.(data.length);
    }
    await pass(frames.sendJson({ type: 'end', sha256: entry.sha256 }), options.signal);
  }
  await pass(frames.sendJson({ type: 'done' }), options.signal);
}

/** @returns the hash of what was sent; undefined when it is not what the entry says */
async function sendContent(
  frames: FrameStream,
  tree: Tree,
  entry: FileEntry,
  options: TransferOptions,
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
    if (Number(before.size) !== entry.size) return undefined;
    const hash = createHash('sha256');
    let pays: boolean | undefined;
    for (let position = 0; position < entry.size;) {
      throwIfCancelled(options.signal);
      const chunk = await readFully(file, position, Math.min(chunkBytes, entry.size - position));
      if (chunk.length === 0) return undefined;
      hash.update(chunk);
      for (const part of splitHoles(chunk)) {
        if (part.hole) {
          await pass(frames.sendData(holeFrame(part.data.length)), options.signal);
          continue;
        }
        pays ??= await compresses(part.data);
        await pass(frames.sendData(await contentFrame(part.data, pays)), options.signal);
      }
      position += chunk.length;
      options.onProgress?.(chunk.length);
    }
    const digest = hash.digest('hex');
    const same = identityOf(await file.stat({ bigint: true })) === identityOf(before);
    return same && digest === entry.sha256 ? digest : undefined;
  } catch (error) {
    if (error instanceof FlickError) throw error;
    throw failed(`read ${entry.path}`, error);
  } finally {
    await file.close();
  }
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
      accepted = await receiveContent(frames, incoming, entry, options);
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
    if (frame.kind === 'json') {
      const tail = v.safeParse(fileTail, frame.value);
      if (!tail.success) throw unexpected(`something else in the middle of ${entry.path}`);
      if (tail.output.type === 'changed') return false;
      const digest = hash.digest('hex');
      if (position !== entry.size || digest !== entry.sha256 || digest !== tail.output.sha256) {
        throw unexpected(`${entry.path} with another content than announced`);
      }
      return true;
    }
    const left = entry.size - position;
    const chunk = await readChunk(frame.data, left, entry.path);
    if (chunk.data === undefined) {
      for (let rest = chunk.length; rest > 0; rest -= zeros.length) {
        hash.update(rest < zeros.length ? zeros.subarray(0, rest) : zeros);
      }
    } else {
      hash.update(chunk.data);
      await incoming.write(chunk.data, position);
    }
    position += chunk.length;
    options.onProgress?.(chunk.length);
  }
}

interface Chunk {
  readonly length: number;
  /** Undefined: zeros. */
  readonly data?: Buffer;
}

async function readChunk(frame: Buffer, left: number, path: string): Promise<Chunk> {
  const tooMuch = (): FlickError => unexpected(`more of ${path} than announced`);
  switch (frame[0]) {
    case rawChunk: {
      const data = frame.subarray(1);
      if (data.length > left) throw tooMuch();
      return { length: data.length, data };
    }
    case gzipChunk: {
      const length = frame.length >= 5 ? frame.readUInt32BE(1) : left + 1;
      if (length > left || length > chunkBytes) throw tooMuch();
      const data = await expand(frame.subarray(5), { maxOutputLength: chunkBytes }).catch(
        (error: unknown) => {
          throw unexpected(`damaged content of ${path} (${messageOf(error)})`);
        },
      );
      if (data.length !== length) throw unexpected(`damaged content of ${path}`);
      return { length, data };
    }
    case holeChunk: {
      const length = frame.length === 9 ? frame.readBigUInt64BE(1) : undefined;
      // Bounded like any other chunk, so that hashing a run never keeps the event loop.
      if (length === undefined || length > BigInt(Math.min(left, chunkBytes))) throw tooMuch();
      return { length: Number(length) };
    }
    default:
      throw unexpected(`something that is no content of ${path}`);
  }
}

async function readFully(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function* splitHoles(chunk: Buffer): Generator<{ hole: boolean; data: Buffer }> {
  let start = 0;
  let inHole: boolean | undefined;
  for (let at = 0; at < chunk.length; at += holeBytes) {
    const block = chunk.subarray(at, at + holeBytes);
    const hole = block.equals(block.length === holeBytes ? zeros : zeros.subarray(0, block.length));
    if (inHole !== undefined && hole !== inHole) {
      yield { hole: inHole, data: chunk.subarray(start, at) };
      start = at;
    }
    inHole = hole;
  }
  if (inHole !== undefined) yield { hole: inHole, data: chunk.subarray(start) };
}

function holeFrame(length: number): Buffer {
  const frame = Buffer.alloc(9);
  frame[0] = holeChunk;
  frame.writeBigUInt64BE(BigInt(length), 1);
  return frame;
}

async function contentFrame(data: Buffer, pays: boolean): Promise<Buffer> {
  if (pays) {
    const packed = await compress(data, { level: zlibConstants.Z_BEST_SPEED });
    if (packed.length < data.length) {
      const header = Buffer.alloc(5);
      header[0] = gzipChunk;
      header.writeUInt32BE(data.length, 1);
      return Buffer.concat([header, packed]);
    }
  }
  return Buffer.concat([Buffer.from([rawChunk]), data]);
}

/** Small files and what is already compressed are not worth the time. */
async function compresses(data: Buffer): Promise<boolean> {
  if (data.length < 512) return false;
  const sample = data.subarray(0, sampleBytes);
  const packed = await compress(sample, { level: zlibConstants.Z_BEST_SPEED });
  return packed.length < sample.length * 0.8;
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

function unexpected(what: string): FlickError {
  return new FlickError('transferFailed', `The other device sent ${what}.`);
}
