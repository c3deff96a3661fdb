import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { FlickError } from '../../protocol/index.ts';
import { maxFrame } from '../../common/frames.ts';
import { chunkPages, hasPage, pageBytes, type Chunk } from './chunks.ts';

/**
 * A batch of chunks on the wire, one data frame: `u32 number, u8 codec, u32 bytes when unpacked`, then the records, packed.
 * A record: `u32 task, u64 chunk, u64 pages` (a bit a page), `16 bytes` (two bits a page: its kind), `u64` XXH64 of the
 * hashes of the chunk's meant pages as they are to be (`contentHash.ts`), then the 4096 bytes of each page that is sent, in order.
 * Little-endian.
 */
const batchHeader = 9;
const recordHeader = 44;

/** What is said of a page: as the image has it, zeros, the XOR with the image's, or its bytes. */
export const pageKind = { same: 0, zero: 1, delta: 2, full: 3 } as const;
export type PageKind = (typeof pageKind)[keyof typeof pageKind];

/** The kinds of a chunk that is as both sides have it. */
export const allSame: Readonly<Uint8Array> = new Uint8Array(chunkPages);

export interface ChunkRecord {
  readonly chunk: Chunk;
  /** One a page. */
  readonly kinds: Readonly<Uint8Array>;
  readonly hash: bigint;
  /** Contents of the pages of kinds `delta` and `full`. */
  readonly pages: readonly Buffer[];
}

export const codecs = ['none', 'deflate', 'zstd', 'brotli'] as const;
export type Codec = (typeof codecs)[number];

/** Most bytes of records in a batch. */
export const maxBatch = maxFrame - batchHeader;

export function recordBytes(record: ChunkRecord): number {
  return recordHeader + record.pages.length * pageBytes;
}

type Zstd = (content: Buffer, options: object) => Promise<Buffer>;
const deflate = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.deflateRaw);
const inflate = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw);
const brotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliCompress);
const unbrotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress);
const zstdCompress = zstdFunction('zstdCompress');
const zstdDecompress = zstdFunction('zstdDecompress');

/** Built in from Node.js 22.15 on. */
export const hasZstd = zstdCompress !== undefined && zstdDecompress !== undefined;

function zstdFunction(name: 'zstdCompress' | 'zstdDecompress'): Zstd | undefined {
  const found: unknown = Reflect.get(zlib, name);
  return typeof found === 'function'
    ? promisify(
        found as (
          content: Buffer,
          options: object,
          done: (error: Error | null, result: Buffer) => void,
        ) => void,
      )
    : undefined;
}

/** Less than this goes as it is: packing takes longer than sending, in bytes. */
const worthPacking = 512;

/** From here on, pages become hardly smaller, and it takes far longer. */
const brotliQuality = 5;

/** ZSTD_c_compressionLevel (zstd.h). */
const zstdLevel = 100;

/** Packs records for the wire; content that does not become smaller is sent as it is. */
export async function encodeBatch(
  number: number,
  records: readonly ChunkRecord[],
  codec: Codec,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const { chunk, kinds, hash, pages } of records) {
    const head = Buffer.alloc(recordHeader);
    head.writeUInt32LE(chunk.task, 0);
    head.writeBigUInt64LE(BigInt(chunk.index), 4);
    head.writeUInt32LE(chunk.low >>> 0, 12);
    head.writeUInt32LE(chunk.high >>> 0, 16);
    for (let page = 0; page < chunkPages && kinds !== allSame; page += 1) {
      const at = 20 + (page >> 2);
      head.writeUInt8(head.readUInt8(at) | ((kinds[page] ?? 0) << ((page & 3) * 2)), at);
    }
    head.writeBigUInt64LE(hash, 36);
    parts.push(head, ...pages);
  }
  const raw = Buffer.concat(parts);
  if (raw.length > maxBatch) throw new RangeError('A batch is too large.');
  const packed = raw.length < worthPacking ? raw : await pack(raw, codec);
  const used: Codec = packed.length < raw.length ? codec : 'none';
  const header = Buffer.alloc(batchHeader);
  header.writeUInt32LE(number, 0);
  header.writeUInt8(codecs.indexOf(used), 4);
  header.writeUInt32LE(raw.length, 5);
  return Buffer.concat([header, used === 'none' ? raw : packed]);
}

/** @throws {FlickError} `transferFailed` for anything that `encodeBatch` does not make */
export async function decodeBatch(
  frame: Buffer,
): Promise<{ number: number; records: ChunkRecord[] }> {
  if (frame.length < batchHeader) throw damaged();
  const codec = codecs[frame.readUInt8(4)];
  const length = frame.readUInt32LE(5);
  if (codec === undefined || length > maxBatch) throw damaged();
  const raw = await unpack(frame.subarray(batchHeader), codec, length);
  if (raw.length !== length) throw damaged();
  const records: ChunkRecord[] = [];
  for (let at = 0; at < raw.length;) {
    if (at + recordHeader > raw.length) throw damaged();
    const record = readRecord(raw, at);
    at += recordBytes(record);
    if (at > raw.length) throw damaged();
    records.push(record);
  }
  return { number: frame.readUInt32LE(0), records };
}

function readRecord(raw: Buffer, at: number): ChunkRecord {
  const index = raw.readBigUInt64LE(at + 4);
  if (index > 2n ** 41n) throw damaged();
  const chunk: Chunk = {
    task: raw.readUInt32LE(at),
    index: Number(index),
    low: raw.readUInt32LE(at + 12),
    high: raw.readUInt32LE(at + 16),
  };
  const hash = raw.readBigUInt64LE(at + 36);
  if (!raw.subarray(at + 20, at + 36).some((each) => each !== 0)) {
    return { chunk, kinds: allSame, hash, pages: [] };
  }
  const kinds = new Uint8Array(chunkPages);
  const pages: Buffer[] = [];
  let next = at + recordHeader;
  for (let page = 0; page < chunkPages; page += 1) {
    const kind = (raw.readUInt8(at + 20 + (page >> 2)) >> ((page & 3) * 2)) & 3;
    if (kind !== pageKind.same && !hasPage(chunk, page)) throw damaged();
    kinds[page] = kind;
    if (kind !== pageKind.delta && kind !== pageKind.full) continue;
    if (next + pageBytes > raw.length) throw damaged();
    pages.push(raw.subarray(next, next + pageBytes));
    next += pageBytes;
  }
  return { chunk, kinds, hash, pages };
}

async function pack(raw: Buffer, codec: Codec): Promise<Buffer> {
  switch (codec) {
    case 'none':
      return raw;
    case 'deflate':
      return deflate(raw, { level: 1 });
    case 'zstd':
      if (zstdCompress === undefined) throw damaged();
      return zstdCompress(raw, { params: { [zstdLevel]: 1 } });
    case 'brotli':
      return brotli(raw, {
        params: {
          [zlib.constants.BROTLI_PARAM_QUALITY]: brotliQuality,
          [zlib.constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
        },
      });
  }
}

async function unpack(packed: Buffer, codec: Codec, length: number): Promise<Buffer> {
  try {
    switch (codec) {
      case 'none':
        return packed;
      case 'deflate':
        return await inflate(packed, { maxOutputLength: Math.max(length, 1) });
      case 'zstd':
        if (zstdDecompress === undefined) throw damaged();
        return await zstdDecompress(packed, { maxOutputLength: Math.max(length, 1) });
      case 'brotli':
        return await unbrotli(packed, { maxOutputLength: Math.max(length, 1) });
    }
  } catch (error) {
    throw error instanceof FlickError ? error : damaged(error);
  }
}

function damaged(cause?: unknown): FlickError {
  return new FlickError('transferFailed', 'The memory that arrived was damaged on the way.', {
    remedy: 'Try again; the process goes on where it was.',
    cause,
  });
}
