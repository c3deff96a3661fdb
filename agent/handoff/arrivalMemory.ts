import * as v from 'valibot';
import { Deferred } from '../../common/deferred.ts';
import type { Disposable } from '../../common/disposable.ts';
import type { Frame, FrameStream } from '../../common/frames.ts';
import { FlickError } from '../../protocol/index.ts';
import { hasZstd } from '../memory/batch.ts';
import {
  chunkPages,
  contains,
  include,
  pageBytes,
  runsOf,
  type Chunk,
  type PageMask,
} from '../memory/chunks.ts';
import { memoryFolder } from '../memory/memoryFolders.ts';
import { firstPage, MemoryImage } from '../memory/memoryImage.ts';
import { writeLazyFiles, type LazyFiles } from '../engines/criu/lazyFiles.ts';
import type { LeftOut } from '../engines/criu/pagemap.ts';
import type { Cell } from '../processes/cell.ts';
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
  /** Confirmed before the keeper serves them. */
  readonly #unserved: { first: number; count: number }[] = [];
  #cell: Cell | undefined;
  #wanted: Disposable | undefined;
  #label: string | undefined;
  #isFinal = false;
  #arrivedPages = 0;

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

  /**
   * Goes on where an earlier link or agent was interrupted, while the cell's keeper brings the memory.
   * @param label how both sides call what they have in common
   */
  static async reopen(
    { home, process, label, files }: ReopenedMemory,
    frames: FrameStream,
    onBytes: (bytes: number) => void,
  ): Promise<ArrivalMemory> {
    const folder = memoryFolder(home, process);
    const image = await MemoryImage.reopen(folder, label, files.pagesPath, files.chunks);
    const memory = new ArrivalMemory(image, frames, onBytes);
    memory.#label = label;
    return memory;
  }

  /** Memory that was confirmed since the process stands still, in bytes. */
  get arrivedBytes(): number {
    return this.#arrivedPages * pageBytes;
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
    const looking = new AbortController();
    const look = this.#receiver.lookThrough(looking.signal);
    look.catch(() => undefined);
    try {
      await this.#receiveUntilEnd();
    } finally {
      looking.abort();
      await look.catch(() => undefined);
    }
    await this.#frames.sendJson({ type: 'rounds-end' });
  }

  async #receiveUntilEnd(): Promise<void> {
    for (;;) {
      const frame = await this.#frames.receive();
      if (frame.kind === 'data') await this.#apply(frame.data);
      else {
        await expect({ receiveJson: () => Promise.resolve(frame.value) }, roundsEnd);
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

  /** Asks for what nobody asked for: it cannot come while the process runs. */
  async wantAll(): Promise<void> {
    await this.#frames.sendJson({ type: 'want-all' });
  }

  /** Waits until all is there. @throws {FlickError} `transferFailed` when a page was never sent */
  async whenComplete(chunks: Iterable<Chunk>): Promise<void> {
    await this.#complete.promise;
    for (const chunk of chunks) {
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
    this.image.dropUnused();
  }

  /**
   * Lets the keeper of the process's cell bring the memory as it arrives, so that the restore need not wait for it.
   * @param leftOut what is not in the images of `folder`
   */
  async serve(cell: Cell, folder: string, leftOut: LeftOut): Promise<void> {
    // A chunk that is met later would lie behind the end of the page file that the keeper maps.
    const arrived = [...this.#confirmed].flatMap(([number, mask]) =>
      runsOf(mask).map(([first, count]) => [firstPage(number) + first, count] as const),
    );
    await writeLazyFiles(folder, leftOut, this.image, arrived);
    this.#wanted = cell.onWanted((numbers) => this.#want(numbers));
    await cell.lazy(folder);
    this.#cell = cell;
    // What arrived while the files were written.
    await cell.arrived(this.#unserved.splice(0));
  }

  /** The keeper brings what arrives from now on, as it did before. */
  async serveAgain(cell: Cell): Promise<void> {
    this.#cell = cell;
    this.#wanted = cell.onWanted((numbers) => this.#want(numbers));
    // Pages that somebody waits for were named to whoever was there before.
    const { wanted } = await cell.lazyState();
    if (wanted.length > 0) this.#want(wanted);
  }

  /** Keeps what is here for the next move of the process. */
  async keep(): Promise<void> {
    this.#wanted?.dispose();
    if (this.#label === undefined) await this.image.restore();
    else await this.image.save(this.#label, this.#receiver.batches);
  }

  async #apply(batch: Buffer): Promise<void> {
    const applied = await this.#receiver.apply(batch);
    if (this.#isFinal) await this.#confirm(applied);
    this.#onBytes(batch.length);
    const { number, mistaken } = applied;
    await this.#frames.sendJson({ type: 'got', number, mistaken });
  }

  #want(numbers: readonly number[]): void {
    const places = new Set(numbers.map((each) => Math.floor(each / chunkPages)));
    const chunks = [...places].map((each) => this.image.nameOf(each));
    // When the stream breaks, whoever reads it says so.
    this.#frames.sendJson({ type: 'want', chunks }).catch(() => undefined);
  }

  async #confirm({ pages }: Applied): Promise<void> {
    for (const [first, count] of pages) {
      this.#arrivedPages += count;
      const number = Math.floor(first / chunkPages);
      let mask = this.#confirmed.get(number);
      if (mask === undefined) this.#confirmed.set(number, (mask = { low: 0, high: 0 }));
      include(mask, first % chunkPages, count);
    }
    const ranges = pages.map(([first, count]) => ({ first, count }));
    if (this.#cell === undefined) this.#unserved.push(...ranges);
    else await this.#cell.arrived(ranges);
  }
}

/** Memory that a process of this device still lacks. */
export interface ReopenedMemory {
  readonly home: AgentHome;
  readonly process: string;
  readonly label: string;
  readonly files: LazyFiles;
}
