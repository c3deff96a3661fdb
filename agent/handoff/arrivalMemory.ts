import * as v from 'valibot';
import { Deferred } from '../../common/deferred.ts';
import type { Frame, FrameStream } from '../../common/frames.ts';
import { FlickError } from '../../protocol/index.ts';
import { hasZstd } from '../memory/batch.ts';
import {
  chunkPages,
  chunksOf,
  contains,
  include,
  type PageMask,
  type PageRun,
} from '../memory/chunks.ts';
import { memoryFolder } from '../memory/memoryFolders.ts';
import { MemoryImage } from '../memory/memoryImage.ts';
import { MemoryReceiver, type Applied } from '../memory/memoryReceiver.ts';
import type { AgentHome } from '../state/home.ts';
import { expect, memoryEnd, rounds, roundsEnd, type MemoryOffer } from './messages.ts';

/** Receives a process's memory into this device's image of it. */
export class ArrivalMemory {
  readonly image: MemoryImage;
  readonly #frames: FrameStream;
  readonly #onBytes: (bytes: number) => void;
  readonly #receiver: MemoryReceiver;
  /** Pages that were confirmed since the process stands still, by number of their chunk. */
  readonly #confirmed = new Map<number, PageMask>();
  readonly #complete = new Deferred<void>();
  #label: string | undefined;
  #isFinal = false;

  private constructor(image: MemoryImage, frames: FrameStream, onBytes: (bytes: number) => void) {
    this.image = image;
    this.#frames = frames;
    this.#onBytes = onBytes;
    this.#receiver = new MemoryReceiver(image);
  }

  static async open(
    home: AgentHome,
    process: string,
    frames: FrameStream,
    onBytes: (bytes: number) => void,
  ): Promise<ArrivalMemory> {
    const image = await MemoryImage.open(memoryFolder(home, process));
    return new ArrivalMemory(image, frames, onBytes);
  }

  get offer(): MemoryOffer {
    const { label, applied } = this.image;
    return { label, applied, codec: hasZstd ? 'zstd' : 'deflate' };
  }

  /** What arrives while the process runs on the source. */
  async receiveRounds(): Promise<void> {
    const { label, keep } = await expect(this.#frames, rounds);
    if (keep && this.image.label === null) {
      throw new FlickError('transferFailed', 'The other device counts on memory that is not here.');
    }
    if (!keep) await this.image.clear();
    this.#label = label;
    for (;;) {
      const frame = await this.#frames.receive();
      if (frame.kind === 'data') await this.#apply(frame.data);
      else {
        await expect({ receiveJson: () => Promise.resolve(frame.value) }, roundsEnd);
        await this.#frames.sendJson({ type: 'rounds-end' });
        return;
      }
    }
  }

  /** What arrives once it stands still. @returns false when the frame is none of the memory's */
  async handle(frame: Frame): Promise<boolean> {
    this.#isFinal = true;
    if (frame.kind === 'data') {
      await this.#apply(frame.data);
      return true;
    }
    if (!v.is(memoryEnd, frame.value)) return false;
    this.#complete.resolve();
    return true;
  }

  fail(error: unknown): void {
    this.#complete.reject(error);
  }

  /** Waits until all is there. @throws {FlickError} `transferFailed` when a page was never sent */
  async whenComplete(pages: readonly PageRun[]): Promise<void> {
    await this.#complete.promise;
    for (const chunk of chunksOf(pages)) {
      const confirmed = this.#confirmed.get(this.image.numberOf(chunk.task, chunk.index));
      if (confirmed === undefined || !contains(confirmed, chunk)) {
        throw new FlickError(
          'transferFailed',
          'A part of the memory of the process did not arrive.',
          {
            remedy: 'Try again; the process goes on where it was.',
          },
        );
      }
    }
  }

  /** Keeps what is here for the next move of the process. */
  async keep(): Promise<void> {
    if (this.#label === undefined) await this.image.restore();
    else await this.image.save(this.#label, this.#receiver.batches);
  }

  async #apply(batch: Buffer): Promise<void> {
    const applied = await this.#receiver.apply(batch);
    if (this.#isFinal) this.#confirm(applied);
    this.#onBytes(batch.length);
    const { number, mistaken } = applied;
    await this.#frames.sendJson({ type: 'got', number, mistaken });
  }

  #confirm({ pages }: Applied): void {
    for (const [first, count] of pages) {
      const number = Math.floor(first / chunkPages);
      let mask = this.#confirmed.get(number);
      if (mask === undefined) this.#confirmed.set(number, (mask = { low: 0, high: 0 }));
      include(mask, first % chunkPages, count);
    }
  }
}
