import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import * as v from 'valibot';
import type { FrameStream } from '../../common/frames.ts';
import {
  compresses,
  contentFrame,
  holeFrame,
  partBytes,
  readContentFrame,
  splitHoles,
  unexpected,
} from './contentFrames.ts';
import type { FileEntry } from './manifest.ts';
import { digestBytes, digestOf, largestPiece, leastPiece, piecesOf } from './pieces.ts';
import { PieceIndex } from './pieceIndex.ts';
import type { IncomingFile, Waiting } from './transfer.ts';

/**
 * A file of which the other device has something already, an earlier version or what a move that was broken off has
 * sent, travels in stretches of some MiB:
 *
 *     data: 16 bytes digest, u32be length of every piece of the stretch
 *                                        {type:'missing', mask}   base64, a bit for every piece, the lowest first
 *     data: content of the missing ones, in frames as of any file
 *
 * Both sides hold one stretch in memory, so what is read is what is sent, whatever happens to the file meanwhile.
 */
const stretchBytes = 16 << 20;
const recordBytes = digestBytes + 4;
/** All pieces of a file but its last have the least size. */
const maxRecords = stretchBytes / leastPiece + 1;
const maskText = v.pipe(v.string(), v.base64(), v.maxLength(Math.ceil(maxRecords / 6) + 8));

export const missing = v.object({ type: v.literal('missing'), mask: maskText });
export type Missing = v.InferOutput<typeof missing>;

export interface PieceTransfer {
  readonly frames: FrameStream;
  readonly hash: Hash;
  readonly wait: Waiting;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

interface Part {
  readonly data: Buffer;
  readonly digest: Buffer;
}

/** A piece of a stretch that has to come from the other side, and where in the stretch it goes. */
interface Open {
  readonly at: number;
  readonly length: number;
  readonly digest: Buffer;
}

/**
 * Sends the first `size` bytes of a file, and of what the other device has only the digests.
 * @param answer waits for the next message of the other side
 * @returns the bytes that the file had
 */
export async function sendPieces(
  file: FileHandle,
  size: number,
  answer: () => Promise<Missing>,
  transfer: PieceTransfer,
): Promise<number> {
  let stretch: Part[] = [];
  let length = 0;
  let sent = 0;
  let pays: boolean | undefined;
  const ship = async (): Promise<void> => {
    const { frames, wait } = transfer;
    await wait(frames.sendData(recordsOf(stretch)));
    const { mask } = await wait(answer());
    const wanted = Buffer.from(mask, 'base64');
    const content = Buffer.concat(
      stretch.flatMap(({ data }, index) => (hasBit(wanted, index) ? [data] : [])),
    );
    for (let start = 0; start < content.length; start += partBytes) {
      for (const part of splitHoles(content.subarray(start, start + partBytes))) {
        if (!part.hole) pays ??= await compresses(part.data);
        const frame = part.hole
          ? holeFrame(part.data.length)
          : await contentFrame(part.data, pays ?? false);
        await wait(frames.sendData(frame));
      }
    }
    transfer.onProgress?.(length);
    sent += length;
    stretch = [];
    length = 0;
  };
  for await (const pieces of piecesOf(file, size, transfer.signal)) {
    for (const { data } of pieces) {
      if (length + data.length > stretchBytes) await ship();
      const copy = Buffer.from(data);
      transfer.hash.update(copy);
      stretch.push({ data: copy, digest: digestOf(copy) });
      length += copy.length;
    }
  }
  if (stretch.length > 0) await ship();
  return sent;
}

/** Takes what {@link sendPieces} sends of one file, until a message comes. */
export class PieceReceiver {
  readonly #transfer: PieceTransfer;
  readonly #entry: FileEntry;
  readonly #incoming: IncomingFile;
  readonly #index: PieceIndex;
  /** Bytes that are there. */
  position = 0;

  private constructor(
    incoming: IncomingFile,
    entry: FileEntry,
    index: PieceIndex,
    transfer: PieceTransfer,
  ) {
    this.#incoming = incoming;
    this.#entry = entry;
    this.#index = index;
    this.#transfer = transfer;
  }

  /** @param bases files that may have pieces of it; they stay the caller's, and are not closed before it is through */
  static async open(
    incoming: IncomingFile,
    entry: FileEntry,
    bases: readonly FileHandle[],
    transfer: PieceTransfer,
  ): Promise<PieceReceiver> {
    const index = await PieceIndex.of(bases, transfer.signal);
    return new PieceReceiver(incoming, entry, index, transfer);
  }

  /** @throws {FlickError} `transferFailed` when the list is none that an honest agent makes, or content is not what it says */
  async stretch(records: Buffer): Promise<void> {
    const { frames, wait, onProgress } = this.#transfer;
    const pieces = this.#parse(records);
    const length = pieces.reduce((sum, each) => sum + each.length, 0);
    const content = Buffer.allocUnsafe(length);
    const mask = Buffer.alloc(Math.ceil(pieces.length / 8));
    const open: Open[] = [];
    let at = 0;
    for (const [number, each] of pieces.entries()) {
      const found = await this.#index.find(each.digest, each.length);
      if (found === undefined) {
        setBit(mask, number);
        open.push({ at, ...each });
      } else found.copy(content, at);
      at += each.length;
    }
    await wait(frames.sendJson({ type: 'missing', mask: mask.toString('base64') }));
    try {
      await this.#fill(content, open);
    } catch (error) {
      // What has come of it need not come again.
      await this.#write(content.subarray(0, open[0]?.at ?? length)).catch(() => undefined);
      throw error;
    }
    await this.#write(content);
    this.position += length;
    onProgress?.(length);
  }

  async #write(content: Buffer): Promise<void> {
    for (let start = 0; start < content.length; start += partBytes) {
      const part = content.subarray(start, start + partBytes);
      this.#transfer.hash.update(part);
      let offset = this.position + start;
      for (const { hole, data } of splitHoles(part)) {
        if (!hole) await this.#incoming.write(data, offset);
        offset += data.length;
      }
    }
  }

  /**
   * Receives the bytes of the missing pieces, which follow each other however they are cut.
   * @param pieces those that are complete are taken out of it
   */
  async #fill(content: Buffer, pieces: Open[]): Promise<void> {
    const { frames, wait } = this.#transfer;
    let left = pieces.reduce((sum, each) => sum + each.length, 0);
    let filled = 0;
    while (left > 0) {
      const frame = await wait(frames.receive());
      if (frame.kind !== 'data') throw unexpected(`less of ${this.#entry.path} than announced`);
      const part = await readContentFrame(frame.data, left, this.#entry.path);
      if (part.length === 0) throw unexpected(`an empty part of ${this.#entry.path}`);
      left -= part.length;
      for (let taken = 0; taken < part.length;) {
        const [piece] = pieces;
        if (piece === undefined) throw unexpected(`more of ${this.#entry.path} than announced`);
        const some = Math.min(piece.length - filled, part.length - taken);
        const start = piece.at + filled;
        if (part.data === undefined) content.fill(0, start, start + some);
        else part.data.copy(content, start, taken, taken + some);
        taken += some;
        filled += some;
        if (filled < piece.length) continue;
        if (!digestOf(content.subarray(piece.at, piece.at + filled)).equals(piece.digest)) {
          throw unexpected(`a piece of ${this.#entry.path} with another content than announced`);
        }
        pieces.shift();
        filled = 0;
      }
    }
  }

  #parse(records: Buffer): { readonly digest: Buffer; readonly length: number }[] {
    const { path, size } = this.#entry;
    const count = records.length / recordBytes;
    if (!Number.isInteger(count) || count < 1 || count > maxRecords) {
      throw unexpected(`a list of the pieces of ${path} that is none`);
    }
    const pieces: { digest: Buffer; length: number }[] = [];
    let total = 0;
    for (let at = 0; at < records.length; at += recordBytes) {
      const digest = records.subarray(at, at + digestBytes);
      const length = records.readUInt32BE(at + digestBytes);
      if (length < 1 || length > largestPiece) {
        throw unexpected(`a piece of ${path} of a size that no piece has`);
      }
      total += length;
      pieces.push({ digest, length });
    }
    if (total > stretchBytes || total > size - this.position) {
      throw unexpected(`more of ${path} than announced`);
    }
    return pieces;
  }
}

function recordsOf(stretch: readonly Part[]): Buffer {
  const records = Buffer.alloc(stretch.length * recordBytes);
  for (const [index, { data, digest }] of stretch.entries()) {
    digest.copy(records, index * recordBytes);
    records.writeUInt32BE(data.length, index * recordBytes + digestBytes);
  }
  return records;
}

function hasBit(mask: Buffer, index: number): boolean {
  return ((mask[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}

function setBit(mask: Buffer, index: number): void {
  const byte = index >> 3;
  mask[byte] = (mask[byte] ?? 0) | (1 << (index & 7));
}
