import type { FileHandle } from 'node:fs/promises';
import { digestBytes, digestOf, largestPiece, piecesOf } from './pieces.ts';
import { readFully } from './contentFrames.ts';

/** Most pieces that are remembered, some 40 bytes each: those of 8 GB. What lies behind them is sent. */
const maxPieces = 1 << 19;
/** As much of a digest as a number holds exactly; what is found by it is compared whole. */
const keyBytes = 6;

interface Place {
  readonly file: FileHandle;
  readonly position: number;
  readonly length: number;
}

/** Where the pieces of some files are, by their digests. */
export class PieceIndex {
  readonly #files: readonly FileHandle[];
  readonly #byKey = new Map<number, number>();
  /** Plain numbers instead of objects, since there are many. */
  readonly #places: number[] = [];
  readonly #lengths: number[] = [];
  readonly #owners: number[] = [];

  private constructor(files: readonly FileHandle[]) {
    this.#files = files;
  }

  /** @param files the ones that are more like what is to come first */
  static async of(files: readonly FileHandle[], signal?: AbortSignal): Promise<PieceIndex> {
    const index = new PieceIndex(files);
    for (const [owner, file] of files.entries()) {
      for await (const pieces of piecesOf(file, (await file.stat()).size, signal)) {
        for (const { position, data } of pieces) {
          if (index.#places.length < maxPieces) index.#add(owner, position, data);
        }
      }
    }
    return index;
  }

  /** The piece with this digest and length; undefined when there is none, or it has changed since. */
  async find(digest: Buffer, length: number): Promise<Buffer | undefined> {
    const place = this.#place(digest);
    if (place?.length !== length || length > largestPiece) return undefined;
    const data = await readFully(place.file, place.position, length).catch(() => undefined);
    return data?.length === length && digestOf(data).equals(digest) ? data : undefined;
  }

  #add(owner: number, position: number, data: Buffer): void {
    const key = digestOf(data).readUIntBE(0, keyBytes);
    if (this.#byKey.has(key)) return;
    this.#byKey.set(key, this.#places.length);
    this.#places.push(position);
    this.#lengths.push(data.length);
    this.#owners.push(owner);
  }

  #place(digest: Buffer): Place | undefined {
    if (digest.length !== digestBytes) return undefined;
    const number = this.#byKey.get(digest.readUIntBE(0, keyBytes));
    if (number === undefined) return undefined;
    const file = this.#files[this.#owners[number] ?? 0];
    if (file === undefined) return undefined;
    return { file, position: this.#places[number] ?? 0, length: this.#lengths[number] ?? 0 };
  }
}
