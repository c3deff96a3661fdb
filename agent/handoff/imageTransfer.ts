import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { maxFrame, type FrameStream } from '../../common/frames.ts';
import { FlickError } from '../../protocol/index.ts';
import { writeFully } from '../files/layerWriter.ts';
import { writeFailure } from '../state/durable.ts';

export interface ImageFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** Images of a capsule: every regular file of the folder but the logs. */
export async function listImages(folder: string): Promise<ImageFile[]> {
  const files: ImageFile[] = [];
  for (const name of (await readdir(folder)).sort()) {
    if (!name.endsWith('.img')) continue;
    const status = await stat(join(folder, name));
    if (status.isFile()) files.push({ name, size: status.size });
  }
  return files;
}

export async function sendImages(
  frames: FrameStream,
  folder: string,
  files: readonly ImageFile[],
  onProgress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const { name, size } of files) {
    const file = await open(join(folder, name), 'r');
    try {
      for (let position = 0; position < size;) {
        signal.throwIfAborted();
        const buffer = Buffer.allocUnsafe(Math.min(maxFrame, size - position));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
        if (bytesRead === 0) throw new Error(`The image ${name} ended early.`);
        await frames.sendData(buffer.subarray(0, bytesRead));
        position += bytesRead;
        onProgress(bytesRead);
      }
    } finally {
      await file.close();
    }
  }
}

/**
 * Writes the announced images into a folder that holds nothing else.
 * @throws {FlickError} `transferFailed` when more arrives than was announced, `diskFull`
 */
export async function receiveImages(
  frames: FrameStream,
  folder: string,
  files: readonly ImageFile[],
  onProgress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const { name, size } of files) {
    const path = join(folder, name);
    const file = await open(path, 'wx', 0o600);
    try {
      for (let position = 0; position < size;) {
        signal.throwIfAborted();
        const data = await frames.receiveData();
        if (position + data.length > size) {
          throw new FlickError('transferFailed', `The image ${name} is larger than announced.`);
        }
        try {
          await writeFully(file, data, position);
        } catch (error) {
          throw writeFailure(path, error);
        }
        position += data.length;
        onProgress(data.length);
      }
    } finally {
      await file.close();
    }
  }
}
