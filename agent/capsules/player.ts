import type { FrameStream } from '../../common/frames.ts';
import { sendStoredFiles } from '../files/transfer.ts';
import type { Entry } from '../files/manifest.ts';
import { sendImageBytes } from '../handoff/imageTransfer.ts';
import { receiveNeeded, sendEntries } from '../handoff/entryList.ts';
import {
  accept,
  expect,
  handoffWire,
  held,
  placed,
  roundsEnd,
  running,
  type TravellingProcess,
} from '../handoff/messages.ts';
import type { BlockStore } from './blockStore.ts';
import { imageBytesOf, type CapsuleManifest } from './capsuleManifest.ts';
import { readContent } from './contentFile.ts';

export interface PlayerOptions {
  readonly handoff: string;
  readonly manifest: CapsuleManifest;
  /** Who the restored process will be. */
  readonly process: TravellingProcess;
  readonly blocks: BlockStore;
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

/** Stands in for the source of a handoff and sends what a capsule holds; there is no original that must not run. */
export class Player {
  readonly #options: PlayerOptions;
  #doneBytes = 0;
  #totalBytes: number;

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.#totalBytes = imageBytesOf(options.manifest);
  }

  /**
   * Resolves when the process runs.
   * @returns what was decided on the way, for people
   * @throws {FlickError} `capsuleDamaged`; what the target gave up with
   */
  async send(frames: FrameStream): Promise<readonly string[]> {
    const { manifest, handoff, process, blocks } = this.#options;
    const { facts, senderUid, userNamespace, scrollback, images } = manifest;
    const who = { handoff, process, facts, senderUid, userNamespace };
    await frames.sendJson({ type: 'offer', wire: handoffWire, ...who });
    const { memory } = await expect(frames, accept);
    await this.#sendFiles(frames, []);
    await expect(frames, placed);
    if (memory !== undefined) await this.#skipRounds(frames);
    await this.#sendFiles(frames, manifest.entries);
    const { base, content } = scrollback;
    await frames.sendJson({ type: 'scrollback', base, length: content.size });
    for await (const data of readContent(content, blocks)) await frames.sendData(data);
    const { files, ...rest } = images;
    const announced = files.map((each) => ({ name: each.name, size: each.content.size }));
    await frames.sendJson({ type: 'images', ...rest, files: announced });
    await sendImageBytes(frames, this.#imageBytes(), {
      onProgress: this.#onBytes,
      signal: this.#options.signal,
      pack: false,
    });
    await expect(frames, held);
    await frames.sendJson({ type: 'run', input: '' });
    const { remarks } = await expect(frames, running);
    await frames.sendJson({ type: 'done' });
    return remarks;
  }

  /** A capsule has its memory in its images. */
  async #skipRounds(frames: FrameStream): Promise<void> {
    await frames.sendJson({ type: 'rounds', label: this.#options.handoff, keep: false });
    await frames.sendJson({ type: 'rounds-end' });
    await expect(frames, roundsEnd);
  }

  async *#imageBytes(): AsyncGenerator<Buffer> {
    const { manifest, blocks } = this.#options;
    for (const each of manifest.images.files) yield* readContent(each.content, blocks);
  }

  async #sendFiles(frames: FrameStream, earlier: readonly Entry[]): Promise<void> {
    const { manifest, blocks, signal } = this.#options;
    await sendEntries(frames, manifest.entries, earlier);
    const { entries } = await receiveNeeded(frames, manifest.entries);
    for (const each of entries) if (each.kind === 'file') this.#totalBytes += each.size;
    await sendStoredFiles(
      frames,
      entries,
      ({ sha256 }) => readContent(manifest.contents[sha256] ?? { size: 0, blocks: [] }, blocks),
      { signal, onProgress: this.#onBytes },
    );
  }

  readonly #onBytes = (bytes: number): void => {
    this.#doneBytes += bytes;
    this.#options.onProgress(this.#doneBytes, this.#totalBytes);
  };
}
