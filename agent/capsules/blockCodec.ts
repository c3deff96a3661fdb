import { webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { messageOf } from '../../common/rpc.ts';

/** Largest content of one block in bytes. */
export const blockBytes = 1 << 20;
/** Largest file of one block: content that does not compress is kept as it is, behind the byte for its format. */
export const maxStoredBytes = blockBytes + 1;

/** First byte of a stored block: how the rest of it is compressed. */
const formats = { raw: 0, gzip: 1, zstd: 2 } as const;

type Transform = (data: Buffer, options: { readonly maxOutputLength?: number }) => Promise<Buffer>;

/** Zstandard came to Node.js with 22.15 (https://nodejs.org/api/zlib.html); agents also run on versions without. */
const zstd = (() => {
  const { zstdCompress, zstdDecompress } = zlib as Partial<
    Record<'zstdCompress' | 'zstdDecompress', typeof zlib.gunzip>
  >;
  if (zstdCompress === undefined || zstdDecompress === undefined) return undefined;
  return {
    compress: promisify(zstdCompress) as Transform,
    expand: promisify(zstdDecompress) as Transform,
  };
})();
const gzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip);
const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip);

/** What is stored is not a block, or of a kind that this Node.js cannot read; the message is a part of a sentence. */
export class UnreadableBlock extends Error {}

/** SHA-256 as lower-case hex; works in a thread of the pool, as compressing does. */
export async function digestOf(data: Buffer): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', data)).toString('hex');
}

export async function encodeBlock(data: Buffer): Promise<Buffer> {
  const packed =
    zstd === undefined
      ? await gzip(data, { level: zlib.constants.Z_BEST_SPEED })
      : await zstd.compress(data, {});
  const [format, body] =
    packed.length < data.length
      ? [zstd === undefined ? formats.gzip : formats.zstd, packed]
      : [formats.raw, data];
  return Buffer.concat([Buffer.from([format]), body]);
}

/** Never gives, nor holds in memory, more than a block's content. @throws {UnreadableBlock} */
export async function decodeBlock(stored: Buffer): Promise<Buffer> {
  const body = stored.subarray(1);
  const expand = expander(stored[0]);
  try {
    return await expand(body, { maxOutputLength: blockBytes });
  } catch (error) {
    throw new UnreadableBlock(`it does not decompress (${messageOf(error)})`, { cause: error });
  }
}

function expander(format: number | undefined): Transform {
  switch (format) {
    case formats.raw:
      return (data) => Promise.resolve(data);
    case formats.gzip:
      return gunzip;
    case formats.zstd:
      if (zstd === undefined) {
        throw new UnreadableBlock(
          'it was compressed by a newer Node.js (22.15 or later) than this',
        );
      }
      return zstd.expand;
    default:
      throw new UnreadableBlock('it is of no format that is known');
  }
}
