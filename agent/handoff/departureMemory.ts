import * as v from 'valibot';
import type { Frame, FrameStream } from '../../common/frames.ts';
import type { Logger } from '../../common/logger.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError, type HandoffOutcome } from '../../protocol/index.ts';
import { hasZstd, type Codec } from '../memory/batch.ts';
import { chunksOf, pageBytes, type Chunk, type PageRun } from '../memory/chunks.ts';
import { CleanPages, DirtyPages } from '../memory/dirtyPages.ts';
import { memoryFolder } from '../memory/memoryFolders.ts';
import { MemoryImage } from '../memory/memoryImage.ts';
import { MemorySender, type FinalOptions, type Round } from '../memory/memorySender.ts';
import { ProcessMemory, type MemoryTask } from '../memory/processMemory.ts';
import type { AgentHome } from '../state/home.ts';
import { expect, got, roundsEnd, want, wantAll, type MemoryOffer } from './messages.ts';

/** Most rounds while the process runs. */
const maxRounds = 8;
/** A round that the link moves in this time was the last: what changed meanwhile goes as fast once the process stands still. In ms. */
const shortRound = 100;
/** A page file of this size is kept whatever the process has, in bytes. */
const smallImage = 64 << 20;
/** Another round must be expected to have less than this share of the one before to send. */
const worthwhile = 0.7;

/** Sends a process's memory: what can be in rounds while it runs, the rest while it stands still. */
export class DepartureMemory {
  readonly #image: MemoryImage;
  readonly #sender: MemorySender;
  readonly #keep: boolean;
  readonly #rounds: Round[] = [];
  readonly #options: DepartureMemoryOptions;
  #begun = false;
  #answers: Promise<void> | undefined;
  #ended: Promise<void> | undefined;
  /** Set while the kernel says which pages the process writes, and of which tasks. */
  #dirty: DirtyPages | undefined;
  #tasks: readonly MemoryTask[] = [];

  private constructor(options: DepartureMemoryOptions, image: MemoryImage, keep: boolean) {
    const { frames, signal, offer, onProgress } = options;
    this.#options = options;
    this.#image = image;
    this.#keep = keep;
    this.#sender = new MemorySender({
      image,
      codec: codecFor(offer.codec),
      onProgress,
      signal,
      send: (batch) => frames.sendData(batch),
    });
    signal.addEventListener('abort', () => this.fail(signal.reason as Error), { once: true });
  }

  static async open(options: DepartureMemoryOptions): Promise<DepartureMemory> {
    const { home, process, offer, memoryBytes } = options;
    const folder = memoryFolder(home, process);
    const image = await MemoryImage.open(folder);
    // A page file that holds far more than the process has begins anew.
    const isWorthIt = (await image.diskBytes()) <= 4 * memoryBytes + smallImage;
    const agreed =
      image.label !== null && image.label === offer.label && offer.applied >= image.applied;
    const keep = isWorthIt && agreed;
    return new DepartureMemory(options, image, keep);
  }

  /** Makes ready to send: what both sides are not known to have is gone from the image. */
  async begin(): Promise<void> {
    if (!this.#keep) await this.#image.clear();
    this.#begun = true;
  }

  /** Sends what is different while the process runs, in rounds, until another one would not pay. */
  async copyWhileRunning(tasks: readonly MemoryTask[]): Promise<void> {
    await this.#beginRounds();
    const memory = new ProcessMemory(tasks);
    await this.#watch(tasks);
    try {
      let expected = Infinity;
      while (this.#rounds.length < maxRounds) {
        const written = await this.#written((dirty) => dirty.next());
        const pages = written ?? (await memory.writtenPages());
        // It writes as fast as the link is; what it wrote goes with the rest.
        if (written !== undefined && countOf(pages) > worthwhile * expected) break;
        expected = countOf(pages);
        const round = await this.#sender.round(memory, chunksOf(pages));
        const before = this.#rounds.at(-1);
        this.#rounds.push(round);
        // One that took long was followed by as many writes, of which another one brings all but a few.
        const isShort = written === undefined || round.ms < shortRound;
        if (isShort && round.bytes < this.#sender.rate * shortRound) break;
        // Without knowing what was written: another one looks at all of it again.
        const isVain = before !== undefined && round.bytes > worthwhile * before.bytes;
        if (written === undefined && isVain) break;
      }
    } finally {
      await memory.close();
    }
  }

  /** All of it goes when the process stands still, or later. */
  copyNothing(): Promise<void> {
    return this.#beginRounds();
  }

  /**
   * Ends the rounds with what was written last, where that is known and moved in a moment: the process stands still, and CRIU
   * is still busy with it. From then on the frames are somebody else's, until the rest is sent.
   */
  endRounds(): Promise<void> {
    // Whoever tries a dump again lets the process run in between; what it writes then goes with the rest.
    this.#ended ??= this.#end();
    return this.#ended;
  }

  /**
   * How it goes, up to now.
   * @param memoryBytes of the process
   * @param isEarly it runs on the target before all of its memory is there
   */
  figures(memoryBytes: number, isEarly: boolean): NonNullable<HandoffOutcome['memory']> {
    const isMostlyEarlier = this.#rounds.some((each) => each.pages > 0);
    const way = isMostlyEarlier ? 'pre-copy' : 'stop-and-copy';
    return {
      way: isEarly ? 'post-copy' : way,
      rounds: this.#rounds.length + 1,
      bytes: memoryBytes,
      sentBytes: this.#sender.sentBytes,
      missingBytes: this.#sender.pendingBytes,
    };
  }

  /** Memory that the target may still lack of a process that stands still, in bytes. */
  get pendingBytes(): number {
    return this.#sender.pendingBytes;
  }

  /** How long the rest will take at the pace that it had so far, in ms. */
  get expectedMs(): number {
    return this.#sender.expectedMs;
  }

  /** Sends all that the target lacks of a process that stands still. */
  async sendRest(
    tasks: readonly MemoryTask[],
    chunks: readonly Chunk[],
    options: FinalOptions = {},
  ): Promise<void> {
    const memory = new ProcessMemory(tasks);
    await this.#written((dirty) => dirty.last());
    try {
      await this.#sender.final(memory, chunks, options);
      await options.free;
      // All that there is has been looked at.
      this.#image.dropUnused();
      await this.#options.frames.sendJson({ type: 'memory-end' });
    } finally {
      await memory.close();
    }
  }

  /** How long the look at the memory will take, going by the last one, in ms: at what was written, where that is known. */
  get lookMs(): number {
    return this.#rounds.at(-1)?.ms ?? Infinity;
  }

  /** What nobody asked for is to go as well, see {@link FinalOptions.onlyWanted}. */
  sendAll(): void {
    this.#sender.sendAll();
  }

  /** Bytes a ms that the link took lately. */
  get rate(): number {
    return this.#sender.rate;
  }

  /** @returns false when the frame is none of the memory's */
  handle(frame: Frame): boolean {
    if (frame.kind !== 'json') return false;
    const answer = v.safeParse(v.variant('type', [got, want, wantAll]), frame.value);
    if (!answer.success) return false;
    if (answer.output.type === 'want-all') this.sendAll();
    else if (answer.output.type === 'want') this.#sender.want(answer.output.chunks, false);
    else this.#acknowledge(answer.output);
    return true;
  }

  /** Ends every wait for the target. */
  fail(error: unknown): void {
    this.#sender.fail(
      error instanceof Error ? error : new FlickError('transferFailed', String(error)),
    );
  }

  /** Keeps what the target has for the next move. */
  async keep(): Promise<void> {
    this.#dirty?.end();
    if (!this.#begun) {
      await this.#image.restore();
      return;
    }
    this.#sender.forgetUnacknowledged();
    await this.#image.save(this.#options.handoff, this.#sender.acknowledged);
  }

  async #end(): Promise<void> {
    const pages = await this.#written((dirty) => dirty.next());
    if (pages !== undefined && this.#packed(pages) < this.#sender.rate * shortRound) {
      const memory = new ProcessMemory(this.#tasks);
      await this.#sender.round(memory, chunksOf(pages)).finally(() => memory.close());
    }
    await this.#options.frames.sendJson({ type: 'rounds-end' });
    await this.#answers;
  }

  /** How many bytes of the link pages will take, going by the last round. */
  #packed(pages: readonly PageRun[]): number {
    const last = this.#rounds.at(-1);
    const each = last === undefined || last.pages === 0 ? pageBytes : last.bytes / last.pages;
    return countOf(pages) * each;
  }

  async #watch(tasks: readonly MemoryTask[]): Promise<void> {
    try {
      this.#dirty = await DirtyPages.watch(await this.#options.keeper(), tasks);
      this.#tasks = tasks;
      this.#sender.clean = new CleanPages();
    } catch (error) {
      this.#leaveUnwatched(error);
    }
  }

  /** @returns undefined where nobody says which pages were written: then all of them are to be looked at */
  async #written(
    ask: (dirty: DirtyPages) => Promise<PageRun[]>,
  ): Promise<readonly PageRun[] | undefined> {
    if (this.#dirty === undefined) return undefined;
    try {
      const pages = await ask(this.#dirty);
      this.#sender.clean?.remove(pages);
      return pages;
    } catch (error) {
      this.#leaveUnwatched(error);
      return undefined;
    }
  }

  #leaveUnwatched(error: unknown): void {
    this.#dirty?.end();
    this.#dirty = undefined;
    this.#sender.clean = undefined;
    this.#options.logger.log('info', 'all memory is looked at', {
      handoff: this.#options.handoff,
      why: messageOf(error),
    });
  }

  async #beginRounds(): Promise<void> {
    await this.begin();
    await this.#options.frames.sendJson({
      type: 'rounds',
      label: this.#options.handoff,
      keep: this.#keep,
    });
    this.#answers = this.#readAnswers();
    this.#answers.catch(() => undefined);
  }

  async #readAnswers(): Promise<void> {
    try {
      for (;;) {
        const message = await expect(this.#options.frames, v.variant('type', [got, roundsEnd]));
        if (message.type === 'rounds-end') return;
        this.#acknowledge(message);
      }
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  #acknowledge({ number, mistaken }: v.InferOutput<typeof got>): void {
    if (mistaken.length > 0) this.#sender.want(mistaken, true);
    this.#sender.acknowledge(number);
  }
}

export interface DepartureMemoryOptions {
  readonly home: AgentHome;
  /** Path of the keeper's executable. */
  readonly keeper: () => Promise<string>;
  readonly logger: Logger;
  readonly process: string;
  readonly handoff: string;
  readonly offer: MemoryOffer;
  readonly memoryBytes: number;
  readonly frames: FrameStream;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number) => void;
}

function countOf(runs: readonly PageRun[]): number {
  return runs.reduce((sum, { pages }) => sum + pages, 0);
}

/** What both sides can do: zstd from Node.js 22.15 on. */
function codecFor(theirs: Codec): Codec {
  return theirs === 'zstd' && hasZstd ? 'zstd' : 'deflate';
}
