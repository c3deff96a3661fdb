import { setImmediate as breathe } from 'node:timers/promises';
import { Deferred } from '../../common/deferred.ts';
import {
  encodeBatch,
  maxBatch,
  pageKind,
  recordBytes,
  type ChunkRecord,
  type Codec,
} from './batch.ts';
import { ChunkReader } from './chunkReader.ts';
import { contains, countPages, pageBytes, type Chunk } from './chunks.ts';
import { contentHash } from './contentHash.ts';
import type { CleanPages } from './dirtyPages.ts';
import { LinkRate } from './linkRate.ts';
import type { MemoryImage } from './memoryImage.ts';
import type { ProcessMemory } from './processMemory.ts';

/** Chunks that are read at once: reads of memory and of the image run in parallel. */
const readWidth = 4;
/** Records of unchanged chunks a batch has at most: their answer should not take long to come. */
const maxRecords = 512;
/** How long a batch should be on the link, and all that are under way, in ms: a wanted page waits no longer. */
const batchTime = 40;
const windowTime = 120;
/** After a page that the process waited for, batches are so long, in ms, since it will soon wait for the next one. */
const eagerTime = 8;
/** Chunks that are under way at most then. */
const eagerChunks = 32;
const smallestBatch = 16 << 10;
const smallestWindow = 64 << 10;
const largestWindow = 8 << 20;
/** Links that are faster than this get pages as they are: packing them would take longer. In bytes a ms. */
const fasterThanPacking: Readonly<Record<Codec, number>> = {
  none: 0,
  deflate: 50_000,
  zstd: 250_000,
  brotli: 0,
};
/** Links that are slower than this get what is packed best, which takes ten times as long. In bytes a ms. */
const slowerThanBrotli = 2_000;

export interface Round {
  /** Pages that were sent, and bytes on the wire. */
  readonly pages: number;
  readonly bytes: number;
  readonly ms: number;
}

export interface FinalOptions {
  /** The link is the memory's from then on; until then only is compared. */
  readonly free?: Promise<void>;
  /** Only what the target asks for, until {@link MemorySender.sendAll}. */
  readonly onlyWanted?: boolean;
}

export interface MemorySenderOptions {
  readonly image: MemoryImage;
  /** Packs what is worth packing. */
  readonly codec: Codec;
  /** Sends one data frame, with back-pressure. */
  readonly send: (batch: Buffer) => Promise<void>;
  /** So much of the process's memory was dealt with, in bytes. */
  readonly onProgress: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** Sends the memory of a process as batches: rounds while it runs, and all that is left once it stands still. */
export class MemorySender {
  /** Set while the writes of the process are watched, see {@link ChunkReader}; whoever does takes away what was written. */
  clean: CleanPages | undefined;
  readonly #options: MemorySenderOptions;
  readonly #rate = new LinkRate();
  /** Chunks of the final pass that were not sent yet, by task and index, and those that the target waits for. */
  readonly #pending = new Map<string, Chunk>();
  readonly #sent = new Map<string, Chunk>();
  readonly #wanted: Chunk[] = [];
  /** Asked for before the final pass has begun: the target restores, and the kernel is still asked what was written. */
  readonly #wishes: Pick<Chunk, 'task' | 'index'>[] = [];
  #progress = new Deferred<void>();
  /** What the batches say that are under way. */
  readonly #unacknowledged: {
    readonly number: number;
    readonly records: readonly ChunkRecord[];
  }[] = [];
  #number = 0;
  #acknowledged = 0;
  #sentBytes = 0;
  /** When the final pass began, by the monotonic clock in ms, and how many chunks it had then. */
  #final: { readonly since: number; readonly chunks: number } | undefined;
  #failure: Error | undefined;
  #free: Promise<void> = Promise.resolve();
  /** Whether what nobody asked for goes in the final pass as well. */
  #sendsAll = false;
  /** When somebody last asked for a page. */
  #wantedAt = -Infinity;

  constructor(options: MemorySenderOptions) {
    this.#options = options;
  }

  /** Batches that the target has. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Bytes a ms that the link took lately. */
  get rate(): number {
    return this.#rate.rate;
  }

  /** Bytes of all batches so far. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Memory that the final pass has not come to yet, in bytes. */
  get pendingBytes(): number {
    let pages = 0;
    for (const chunk of this.#pending.values()) pages += countPages(chunk);
    return pages * pageBytes;
  }

  /** How long the rest of the final pass will take at the pace that it had so far, in ms. */
  get expectedMs(): number {
    if (this.#final === undefined) return Infinity;
    const { since, chunks } = this.#final;
    const left = this.#pending.size;
    const underWay = this.#rate.inFlight / this.#rate.rate;
    if (left === 0) return underWay;
    const pace = (performance.now() - since) / (chunks - left);
    return underWay + left * pace;
  }

  /** Sends what is different of the written pages of a process that runs. */
  async round(memory: ProcessMemory, chunks: readonly Chunk[]): Promise<Round> {
    const queue = [...chunks].reverse();
    return this.#run(memory, false, () => queue.pop());
  }

  /** Sends all that the target does not have of a process that stands still; what it waits for comes first. */
  async final(
    memory: ProcessMemory,
    chunks: readonly Chunk[],
    { free = Promise.resolve(), onlyWanted = false }: FinalOptions = {},
  ): Promise<Round> {
    this.#free = free;
    this.#sendsAll ||= !onlyWanted;
    // What brings pages goes first: it takes longer to arrive than what is only said.
    const isClean = (chunk: Chunk): boolean =>
      this.clean !== undefined && contains(this.clean.of(chunk), chunk);
    const [said, sent] = [chunks.filter(isClean), chunks.filter((each) => !isClean(each))];
    for (const chunk of [...sent, ...said]) this.#pending.set(keyOf(chunk), chunk);
    this.#final = { since: performance.now(), chunks: this.#pending.size };
    this.want(this.#wishes.splice(0), false);
    const order = this.#pending.values();
    let near: Chunk[] = [];
    const next = (): Chunk | undefined => {
      const wanted = this.#wanted.pop();
      if (wanted !== undefined) {
        near = this.#neighbours(wanted);
        return wanted;
      }
      const neighbour = near.shift();
      if (neighbour !== undefined && this.#pending.has(keyOf(neighbour))) return neighbour;
      while (this.#sendsAll) {
        const chunk = order.next();
        if (chunk.done === true) return undefined;
        if (this.#pending.has(keyOf(chunk.value))) return chunk.value;
      }
      return undefined;
    };
    let round = await this.#run(memory, true, next);
    // Asked for again: the target's image was not what both sides had thought.
    while (this.#wanted.length > 0) round = added(round, await this.#run(memory, true, next));
    return round;
  }

  /** What nobody asked for goes as well from now on. */
  sendAll(): void {
    this.#sendsAll = true;
    // Its pace counts from here.
    if (this.#final !== undefined) {
      this.#final = { since: performance.now(), chunks: this.#pending.size };
    }
    this.#wake();
  }

  /** What lies behind a chunk that somebody waits for is probably wanted next, and costs little on its way. */
  #neighbours({ task, index }: Chunk): Chunk[] {
    const keys = Array.from({ length: readWidth - 1 }, (_, ahead) => index + 1 + ahead);
    return keys.flatMap((each) => this.#pending.get(keyOf({ task, index: each })) ?? []);
  }

  /** Somebody may ask for a page at any moment. */
  get #isEager(): boolean {
    return performance.now() - this.#wantedAt < windowTime;
  }

  /** The target waits for these, or has found its own image of them wrong: then they are sent without it. */
  want(chunks: readonly Pick<Chunk, 'task' | 'index'>[], mistaken: boolean): void {
    const { image } = this.#options;
    if (chunks.length > 0) this.#wantedAt = performance.now();
    if (!mistaken && this.#final === undefined) this.#wishes.push(...chunks);
    for (const each of chunks) {
      const key = keyOf(each);
      if (mistaken) image.forget(image.numberOf(each.task, each.index));
      const chunk = this.#pending.get(key) ?? (mistaken ? this.#sent.get(key) : undefined);
      if (chunk !== undefined) this.#wanted.push(chunk);
    }
    this.#wake();
  }

  acknowledge(number: number): void {
    if (number > this.#number) return;
    this.#rate.acknowledged(number, performance.now());
    while ((this.#unacknowledged[0]?.number ?? Infinity) <= number) this.#unacknowledged.shift();
    this.#acknowledged = Math.max(this.#acknowledged, number);
    this.#wake();
  }

  /** The image is to hold only what the target is known to have; these chunks are sent whole next time. */
  forgetUnacknowledged(): void {
    const { image } = this.#options;
    for (const { records } of this.#unacknowledged) {
      for (const { chunk } of records) image.forget(image.numberOf(chunk.task, chunk.index));
    }
    this.#unacknowledged.length = 0;
  }

  /** Ends every wait: the link is gone for good. */
  fail(error: Error): void {
    this.#failure = error;
    this.#wake();
  }

  async #run(
    memory: ProcessMemory,
    frozen: boolean,
    next: () => Chunk | undefined,
  ): Promise<Round> {
    const started = performance.now();
    const { image } = this.#options;
    const reader = new ChunkReader({ memory, image, hash: await contentHash(), clean: this.clean });
    let pages = 0;
    let bytes = 0;
    let batch: ChunkRecord[] = [];
    let size = 0;
    let shipping: Promise<void> = Promise.resolve();
    const ship = async (): Promise<void> => {
      await shipping;
      if (batch.length === 0) return;
      const records = batch;
      batch = [];
      size = 0;
      shipping = this.#ship(records).then((shipped) => {
        bytes += shipped;
      });
      shipping.catch(() => undefined);
    };
    for (;;) {
      await this.#until(() => !frozen || this.#sendsAll || this.#wanted.length > 0);
      if (frozen) {
        // Answers and wishes arrive between two looks.
        await breathe();
      }
      const urgent = this.#wanted.length > 0;
      const group: Chunk[] = [];
      for (let chunk = next(); chunk !== undefined; chunk = next()) {
        group.push(chunk);
        if (group.length === readWidth) break;
      }
      if (group.length === 0) break;
      const records = await Promise.all(group.map((chunk) => reader.compare(chunk, frozen)));
      for (const [index, record] of records.entries()) {
        const chunk = group[index];
        if (chunk !== undefined && frozen) {
          this.#pending.delete(keyOf(chunk));
          this.#sent.set(keyOf(chunk), chunk);
        }
        if (chunk !== undefined) this.#options.onProgress(countPages(chunk) * pageBytes);
        if (record === undefined) continue;
        if (size + recordBytes(record) > maxBatch) await ship();
        batch.push(record);
        size += recordBytes(record);
        pages += record.pages.length;
        const isMany = frozen && this.#isEager && bringing(batch) >= eagerChunks / 2;
        const full = size >= this.#batchBytes() || batch.length >= maxRecords || isMany;
        if (full) await ship();
      }
      if (urgent) await ship();
    }
    await ship();
    await shipping;
    await this.#until(() => this.#acknowledged === this.#number);
    return { pages, bytes, ms: performance.now() - started };
  }

  async #ship(records: readonly ChunkRecord[]): Promise<number> {
    const { send } = this.#options;
    const batch = await encodeBatch(this.#number + 1, records, this.#codecFor(records));
    await this.#free;
    await this.#until(
      () =>
        this.#rate.inFlight === 0 ||
        (this.#rate.inFlight + batch.length <= this.#window() && this.#hasRoom(records)),
    );
    this.#number += 1;
    this.#sentBytes += batch.length;
    this.#rate.sent(this.#number, batch.length, performance.now());
    this.#unacknowledged.push({ number: this.#number, records });
    await send(batch);
    return batch.length;
  }

  /** Differences pack well and fast; whole pages are packed only where the link is slower than that. */
  #codecFor(records: readonly ChunkRecord[]): Codec {
    const { codec } = this.#options;
    if (this.#rate.rate < slowerThanBrotli) return 'brotli';
    let balance = 0;
    for (const { kinds } of records) {
      for (const kind of kinds) {
        if (kind === pageKind.full) balance += 1;
        else if (kind === pageKind.delta) balance -= 1;
      }
    }
    return balance > 0 && this.#rate.rate > fasterThanPacking[codec] ? 'none' : codec;
  }

  #batchBytes(): number {
    const time = this.#isEager ? eagerTime : batchTime;
    return Math.min(maxBatch / 2, Math.max(smallestBatch, this.#rate.rate * time));
  }

  #window(): number {
    const time = this.#isEager ? 3 * eagerTime : windowTime;
    return Math.min(largestWindow, Math.max(smallestWindow, this.#rate.rate * time));
  }

  /** A chunk that brings pages keeps the target busy, which has to bring them into the process. */
  #hasRoom(more: readonly ChunkRecord[]): boolean {
    if (!this.#isEager) return true;
    const busy = this.#unacknowledged.reduce((sum, each) => sum + bringing(each.records), 0);
    return busy + bringing(more) <= eagerChunks;
  }

  async #until(reached: () => boolean): Promise<void> {
    for (;;) {
      this.#check();
      if (reached()) return;
      await this.#progress.promise;
    }
  }

  #check(): void {
    this.#options.signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #wake(): void {
    const before = this.#progress;
    this.#progress = new Deferred();
    before.resolve();
  }
}

/** How many of them bring pages. */
function bringing(records: readonly ChunkRecord[]): number {
  return records.reduce((sum, { pages }) => sum + (pages.length > 0 ? 1 : 0), 0);
}

function keyOf({ task, index }: Pick<Chunk, 'task' | 'index'>): string {
  return `${task}:${index}`;
}

function added(first: Round, second: Round): Round {
  return {
    pages: first.pages + second.pages,
    bytes: first.bytes + second.bytes,
    ms: first.ms + second.ms,
  };
}
