import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants as zlibConstants, gunzip, gzip } from 'node:zlib';
import { messageOf } from '../../common/rpc.ts';
import { FlickError } from '../../protocol/index.ts';

/**
 * The content of files in data frames, of which the first byte says what the rest is: 0 content as it is; 1 `u32be
 * length` and gzip of that many bytes; 2 `u64be length` of zeros.
 */
const rawPart = 0;
const gzipPart = 1;
const holePart = 2;
/** Most content bytes of a frame. */
export const partBytes = 512 * 1024;
/** Runs of zeros from this size on travel as a length, and are holes at the other end (tmpfs and ext4: 4 KiB). */
export const holeBytes = 64 * 1024;
const sampleBytes = 64 * 1024;
export const zeros = Buffer.alloc(holeBytes);
const compress = promisify<Buffer, { level: number }, Buffer>(gzip);
const expand = promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip);

/** A part of a content as it arrived. */
export interface ContentPart {
  readonly length: number;
  /** Undefined: zeros. */
  readonly data?: Buffer;
}

/**
 * Reads what {@link contentFrame} or {@link holeFrame} made.
 * @param left most bytes that it may stand for
 * @throws {FlickError} `transferFailed`
 */
export async function readContentFrame(
  frame: Buffer,
  left: number,
  path: string,
): Promise<ContentPart> {
  const tooMuch = (): FlickError => unexpected(`more of ${path} than announced`);
  switch (frame[0]) {
    case rawPart: {
      const data = frame.subarray(1);
      if (data.length > left) throw tooMuch();
      return { length: data.length, data };
    }
    case gzipPart: {
      const length = frame.length >= 5 ? frame.readUInt32BE(1) : left + 1;
      if (length > left || length > partBytes) throw tooMuch();
      const data = await expand(frame.subarray(5), { maxOutputLength: partBytes }).catch(
        (error: unknown) => {
          throw unexpected(`damaged content of ${path} (${messageOf(error)})`);
        },
      );
      if (data.length !== length) throw unexpected(`damaged content of ${path}`);
      return { length, data };
    }
    case holePart: {
      const length = frame.length === 9 ? frame.readBigUInt64BE(1) : undefined;
      // Bounded like any other chunk, so that hashing a run never keeps the event loop.
      if (length === undefined || length > BigInt(Math.min(left, partBytes))) throw tooMuch();
      return { length: Number(length) };
    }
    default:
      throw unexpected(`something that is no content of ${path}`);
  }
}

/** As many bytes as there are, `length` at most. */
export async function readFully(
  file: FileHandle,
  position: number,
  length: number,
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Cuts into runs of zeros, each worth a hole, and what is between them. */
export function* splitHoles(chunk: Buffer): Generator<{ hole: boolean; data: Buffer }> {
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

export function holeFrame(length: number): Buffer {
  const frame = Buffer.alloc(9);
  frame[0] = holePart;
  frame.writeBigUInt64BE(BigInt(length), 1);
  return frame;
}

export async function contentFrame(data: Buffer, pays: boolean): Promise<Buffer> {
  if (pays) {
    const packed = await compress(data, { level: zlibConstants.Z_BEST_SPEED });
    if (packed.length < data.length) {
      const header = Buffer.alloc(5);
      header[0] = gzipPart;
      header.writeUInt32BE(data.length, 1);
      return Buffer.concat([header, packed]);
    }
  }
  return Buffer.concat([Buffer.from([rawPart]), data]);
}

/** Whether it pays to pack a content, going by a part of it: small ones and what is packed already are not worth the time. */
export async function compresses(data: Buffer): Promise<boolean> {
  if (data.length < 512) return false;
  const sample = data.subarray(0, sampleBytes);
  const packed = await compress(sample, { level: zlibConstants.Z_BEST_SPEED });
  return packed.length < sample.length * 0.8;
}

export function unexpected(what: string): FlickError {
  return new FlickError('transferFailed', `The other device sent ${what}.`);
}
