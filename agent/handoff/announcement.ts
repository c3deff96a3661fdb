import { join } from 'node:path';
import * as v from 'valibot';
import type { FrameStream } from '../../common/frames.ts';
import { bytes } from '../../protocol/index.ts';
import { receiveImages, sendImageBytes, type ImageTransferOptions } from './imageTransfer.ts';
import { expect } from './messages.ts';

/** Most that is sent ahead of a process, in bytes: what is more than that takes longer to send than it saves. */
const maxAdvance = 32 << 20;

/** So many bytes follow that help to get ready for the process, which runs until the answer. */
const advance = v.object({
  type: v.literal('advance'),
  size: v.pipe(bytes, v.maxValue(maxAdvance)),
});
const ready = v.object({ type: v.literal('ready') });

/** Tells the target what is coming, while the process runs. Resolves when it is ready for that. */
export async function announce(
  frames: FrameStream,
  content: Buffer,
  options: ImageTransferOptions,
): Promise<void> {
  const size = content.length > maxAdvance ? 0 : content.length;
  await frames.sendJson({ type: 'advance', size });
  await sendImageBytes(frames, [content.subarray(0, size)], { ...options, pack: true });
  await expect(frames, ready);
}

/**
 * Gets ready for what the source tells of.
 * @param folder is there: whoever calls this off and removes it does not find it made again by what comes late
 * @param prepare gets the file with it, if there is any
 */
export async function getReady(
  frames: FrameStream,
  folder: string,
  prepare: (file: string) => Promise<void>,
  options: ImageTransferOptions,
): Promise<void> {
  const { size } = await expect(frames, advance);
  const file = { name: 'advance', size };
  await receiveImages(frames, folder, [file], options);
  if (size > 0) await prepare(join(folder, file.name));
}

/** Lets the process stand still. */
export async function sayReady(frames: FrameStream): Promise<void> {
  await frames.sendJson({ type: 'ready' });
}
