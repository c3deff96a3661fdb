import { writeFileSync } from 'node:fs';
import { open, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw, type ZlibOptions } from 'node:zlib';
import { maxFrame, type FrameStream } from '../../common/frames.ts';
import { FlickError } from '../../protocol/index.ts';
import { eachOf } from '../procfs/read.ts';
import { writeFully } from '../files/layerWriter.ts';
import { writeFailure } from '../state/durable.ts';

export interface ImageFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** Images that are about to be sent. */
export interface Images {
  readonly folder: string;
  readonly files: readonly ImageFile[];
  /** Contents of the small ones, of which there are dozens, by name. */
  readonly small: ReadonlyMap<string, Buffer>;
}

/** Images of a capsule: every regular file of the folder but the logs. The small ones are read, all at once. */
export async function loadImages(folder: string): Promise<Images> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.img')).sort();
  const small = new Map<string, Buffer>();
  const files = await eachOf(names, async (name) => {
    const path = join(folder, name);
    const status = await stat(path);
    if (!status.isFile()) return undefined;
    const { size } = status;
    if (size <= smallImage) small.set(name, await readFile(path));
    return { name, size };
  });
  return { folder, files: files.filter((each) => each !== undefined), small };
}

export interface ImageTransferOptions {
  readonly onProgress: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** Images travel one after the other in blocks of this size at most: a byte that says whether it is packed, and the block. */
const blockBytes = maxFrame - 64;
/** What is small enough to be read and written in one go, in bytes. */
const smallImage = 256 << 10;
const deflate = promisify<Buffer, ZlibOptions, Buffer>(deflateRaw);
const inflate = promisify<Buffer, ZlibOptions, Buffer>(inflateRaw);

/** @param options.pack for links that are slower than the packing */
export async function sendImages(
  frames: FrameStream,
  images: Images,
  options: SendOptions,
): Promise<void> {
  await sendImageBytes(frames, readImages(images), options);
}

type SendOptions = ImageTransferOptions & { readonly pack: boolean };

/** Sends the bytes of all announced images, one after the other, however they are cut. */
export async function sendImageBytes(
  frames: FrameStream,
  pieces: AsyncIterable<Buffer> | Iterable<Buffer>,
  { pack, onProgress, signal }: SendOptions,
): Promise<void> {
  let block: Buffer[] = [];
  let size = 0;
  const ship = async (): Promise<void> => {
    if (size === 0) return;
    const content = Buffer.concat(block);
    block = [];
    size = 0;
    const packed = pack ? await deflate(content, { level: 3 }) : content;
    const isPacked = packed.length < content.length;
    await frames.sendData(
      Buffer.concat([Buffer.from([isPacked ? 1 : 0]), isPacked ? packed : content]),
    );
    onProgress(content.length);
  };
  for await (const piece of pieces) {
    for (let start = 0; start < piece.length;) {
      signal.throwIfAborted();
      const part = piece.subarray(start, start + blockBytes - size);
      block.push(part);
      size += part.length;
      start += part.length;
      if (size === blockBytes) await ship();
    }
  }
  await ship();
}

async function* readImages({ folder, files, small }: Images): AsyncGenerator<Buffer> {
  for (const { name, size } of files) {
    const content = small.get(name);
    if (content !== undefined) {
      if (content.length !== size) throw new Error(`The image ${name} has another size now.`);
      if (size > 0) yield content;
      continue;
    }
    const file = await open(join(folder, name), 'r');
    try {
      for (let position = 0; position < size;) {
        const buffer = Buffer.allocUnsafe(Math.min(blockBytes, size - position));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
        if (bytesRead === 0) throw new Error(`The image ${name} ended early.`);
        yield buffer.subarray(0, bytesRead);
        position += bytesRead;
      }
    } finally {
      await file.close();
    }
  }
}

/**
 * Writes the announced images into a folder that holds nothing else.
 * @throws {FlickError} `transferFailed` when something else arrives than was announced, `diskFull`
 */
export async function receiveImages(
  frames: FrameStream,
  folder: string,
  files: readonly ImageFile[],
  { onProgress, signal }: ImageTransferOptions,
): Promise<void> {
  let block: Buffer = Buffer.alloc(0);
  const more = async (): Promise<void> => {
    signal.throwIfAborted();
    block = await unpack(await frames.receiveData());
    onProgress(block.length);
  };
  const take = (size: number): Buffer => {
    const data = block.subarray(0, size);
    block = block.subarray(data.length);
    return data;
  };
  for (const { name, size } of files) {
    const path = join(folder, name);
    if (size > 0 && block.length === 0) await more();
    if (size <= Math.min(block.length, smallImage)) {
      writeNow(path, take(size));
      continue;
    }
    const file = await open(path, 'wx', 0o600);
    try {
      for (let position = 0; position < size;) {
        if (block.length === 0) await more();
        const data = take(size - position);
        await writeFully(file, data, position).catch((error: unknown) => {
          throw writeFailure(path, error);
        });
        position += data.length;
      }
    } finally {
      await file.close();
    }
  }
  if (block.length > 0) {
    throw new FlickError('transferFailed', 'The images are larger than announced.');
  }
}

/** Without the way through the thread pool: there are dozens of small images, and the process stands still. */
function writeNow(path: string, content: Buffer): void {
  try {
    writeFileSync(path, content, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    throw writeFailure(path, error);
  }
}

async function unpack(data: Buffer): Promise<Buffer> {
  const content = data.subarray(1);
  if (content.length === 0) throw new FlickError('transferFailed', 'An image arrived empty.');
  if (data[0] === 0) return content;
  try {
    return await inflate(content, { maxOutputLength: blockBytes });
  } catch (error) {
    throw new FlickError('transferFailed', 'An image was damaged on the way.', { cause: error });
  }
}
