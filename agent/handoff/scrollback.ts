import type { FrameStream } from '../../common/frames.ts';
import { FlickError } from '../../protocol/index.ts';
import { expect, scrollback } from './messages.ts';

/** Most scrollback that is taken over, in bytes; keepers keep 1 MiB. */
const maxScrollback = 64 << 20;

/** @throws {FlickError} `transferFailed` when there is more than any keeper keeps */
export async function receiveScrollback(
  frames: FrameStream,
): Promise<{ base: number; bytes: Buffer }> {
  const { base, length } = await expect(frames, scrollback);
  if (length > maxScrollback) {
    throw new FlickError('transferFailed', 'The scrollback is larger than any that is kept.');
  }
  const pieces: Buffer[] = [];
  for (let received = 0; received < length;) {
    const piece = await frames.receiveData();
    pieces.push(piece);
    received += piece.length;
  }
  return { base, bytes: Buffer.concat(pieces).subarray(0, length) };
}
