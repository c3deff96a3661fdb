import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { throwIfCancelled } from './hashing.ts';

/**
 * Cuts content where the content itself says so, so that what is inserted or changed moves only the cuts next to it
 * (Xia et al., "FastCDC", USENIX ATC 2016: a gear hash, no cut before the least size, a stricter condition before
 * the normal size than after it). Both sides of a move must cut alike; all of this is part of the wire format.
 */
export const leastPiece = 4 * 1024;
export const normalPiece = 16 * 1024;
export const largestPiece = 64 * 1024;
/** Bytes of the hash of a piece. The whole file has one of full length. */
export const digestBytes = 16;
/** Conditions on the upper bits of the gear hash, which depend on the last 32 bytes. */
const strict = 0xffff_0000 | 0;
const loose = 0xfff0_0000 | 0;
const windowBytes = 32;
const readBytes = 1 << 20;
const gear = gearTable();

/** A piece of a file. `data` is overwritten when the next ones are asked for. */
export interface Piece {
  readonly position: number;
  readonly data: Buffer;
}

/**
 * Where the piece that begins at `start` ends.
 * @param isLast nothing comes after `data`
 * @returns undefined when more bytes are needed to tell
 */
export function endOfPiece(data: Buffer, start: number, isLast: boolean): number | undefined {
  const available = data.length - start;
  if (available <= leastPiece) return isLast ? data.length : undefined;
  const normal = start + Math.min(normalPiece, available);
  const limit = start + Math.min(largestPiece, available);
  let hash = 0;
  let at = start + leastPiece - windowBytes;
  for (const warm = start + leastPiece; at < warm; at += 1) {
    hash = ((hash << 1) + (gear[data[at] ?? 0] ?? 0)) | 0;
  }
  for (; at < normal; at += 1) {
    hash = ((hash << 1) + (gear[data[at] ?? 0] ?? 0)) | 0;
    if ((hash & strict) === 0) return at + 1;
  }
  for (; at < limit; at += 1) {
    hash = ((hash << 1) + (gear[data[at] ?? 0] ?? 0)) | 0;
    if ((hash & loose) === 0) return at + 1;
  }
  return available >= largestPiece || isLast ? limit : undefined;
}

/**
 * The pieces of a file in their order, as many at a time as one read holds, so that the event loop stays free.
 * @param size bytes from the start that count
 * @param signal ends it with the error `cancelled`
 * @returns shorter than `size` when the file is
 */
export async function* piecesOf(
  file: FileHandle,
  size: number,
  signal?: AbortSignal,
): AsyncGenerator<readonly Piece[], void> {
  const buffer = Buffer.allocUnsafe(Math.min(size, readBytes + largestPiece));
  let filled = 0;
  let position = 0;
  for (let isLast = size === 0; !isLast;) {
    throwIfCancelled(signal);
    const wanted = Math.min(buffer.length - filled, readBytes, size - position - filled);
    const { bytesRead } = await file.read(buffer, filled, wanted, position + filled);
    filled += bytesRead;
    isLast = bytesRead === 0 || position + filled >= size;
    const data = buffer.subarray(0, filled);
    const pieces: Piece[] = [];
    let start = 0;
    while (start < filled) {
      const end = endOfPiece(data, start, isLast);
      if (end === undefined) break;
      pieces.push({ position: position + start, data: data.subarray(start, end) });
      start = end;
    }
    yield pieces;
    buffer.copyWithin(0, start, filled);
    filled -= start;
    position += start;
  }
}

export function digestOf(data: Buffer): Buffer {
  return createHash('sha256').update(data).digest().subarray(0, digestBytes);
}

/** One word for every value of a byte, as random as SHA-256 makes them. */
function gearTable(): Int32Array {
  const table = new Int32Array(256);
  for (let value = 0; value < table.length; value += 1) {
    table[value] = createHash('sha256').update(`flick gear ${value}`).digest().readInt32BE(0);
  }
  return table;
}
