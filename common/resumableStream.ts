import { Duplex } from 'node:stream';
import { Deferred } from './deferred.ts';
import { Emitter } from './event.ts';
import { encodeFrame, frameKinds, LinkFrameParser, ResumableBytes } from './resumableBytes.ts';
import type { LinkFrame } from './resumableBytes.ts';

/** Most bytes that wait for the other end's confirmation; writers wait beyond that. */
const defaultWindow = 4 << 20;
/** How often each end gives a sign of life, and how many such times of silence make a link a dead one. */
const defaultHeartbeat = 1_000;
const silentBeats = 4;
/** How long the other end may take to greet on a link, in ms. */
const greetingTimeout = 10_000;
/** How long the other end is waited for when both have said all and only its confirmation is missing, in ms. */
const lingerTime = 3_000;
/** How long the last words on a link may take, in ms. */
const farewellTime = 1_000;

export interface ResumableStreamOptions {
  /** Both ends must have the same. */
  readonly name: string;
  /** How long to do without a link before the stream fails, in ms; see {@link ResumableStream.patience}. */
  readonly patience: number;
  readonly window?: number;
  /** In ms. */
  readonly heartbeat?: number;
}

/**
 * A stream of bytes over links that may break and be replaced: the next link continues exactly where the last one was
 * cut. It ends when both ends have ended it, and fails when one gives it up or no link came for as long as its patience.
 */
export class ResumableStream extends Duplex {
  readonly #bytes: ResumableBytes;
  readonly #changed = new Emitter<boolean>();
  readonly #acknowledgeEvery: number;
  readonly #heart: NodeJS.Timeout;
  readonly #candidates = new Set<Link>();
  #patience: number;
  #link: Link | undefined;
  #unlinkedAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #silent = 0;
  /** What has arrived and was not asked for yet. */
  #arrived: Buffer[] = [];
  #wanted = false;
  #endDelivered = false;
  #acknowledged = 0;
  #isAlone = false;
  #written: ((error?: Error) => void) | undefined;
  #finished: (() => void) | undefined;

  /** Fires with true when a link is in use, with false when it was lost. */
  readonly onDidChangeLink = this.#changed.event;

  constructor(options: ResumableStreamOptions) {
    super();
    const window = options.window ?? defaultWindow;
    this.#bytes = new ResumableBytes(options.name, window);
    this.#acknowledgeEvery = Math.max(1, window >> 4);
    this.#patience = options.patience;
    // Failures reach whoever reads or writes next; without a listener Node would end the process.
    this.on('error', () => undefined);
    this.#heart = setInterval(() => this.#beat(), options.heartbeat ?? defaultHeartbeat);
    this.#waitForLink();
  }

  get isLinked(): boolean {
    return this.#link !== undefined;
  }

  /** Bytes that were written and of which it is not known whether the other end has read them. */
  get unconfirmed(): number {
    return this.#bytes.unconfirmed;
  }

  /** How long to do without a link, in ms, counted from when the last one was lost. */
  get patience(): number {
    return this.#patience;
  }

  set patience(ms: number) {
    this.#patience = ms;
    if (this.#link === undefined) this.#waitForLink();
  }

  /**
   * Offers a link. It takes the place of the one in use as soon as the other end has greeted on it.
   * @throws when it does not, or greets for another stream; the link is closed then
   */
  async attach(socket: Duplex): Promise<void> {
    if (this.destroyed) {
      socket.destroy();
      throw new Error('The stream is over.');
    }
    const link = new Link(socket, {
      frame: (frame) => this.#hear(link, frame),
      drained: () => this.#pump(),
      lost: (why) => this.#lose(link, why),
    });
    this.#candidates.add(link);
    link.write(this.#bytes.greeting());
    const timer = setTimeout(() => link.fail(new Error('Nobody greeted.')), greetingTimeout);
    try {
      await link.greeted.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  override _read(): void {
    this.#wanted = true;
    this.#deliver();
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    callback: (error?: Error) => void,
  ): void {
    if (this.#isAlone) {
      callback(new Error('The other side has ended.'));
      return;
    }
    // A copy: the writer may use its buffer again, and these bytes may have to be said again.
    this.#bytes.append(Buffer.from(chunk));
    this.#pump();
    if (this.#bytes.hasRoom) callback();
    else this.#written = callback;
  }

  override _final(callback: () => void): void {
    this.#bytes.end();
    this.#finished = callback;
    if (this.#isAlone) {
      this.#finish();
      return;
    }
    this.#pump();
    if (this.#link === undefined) this.#waitForLink();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearInterval(this.#heart);
    clearTimeout(this.#timer);
    const link = this.#link;
    this.#link = undefined;
    const isComplete = this.#bytes.isEndConfirmed && this.#endDelivered;
    for (const each of [...this.#candidates, ...(link === undefined ? [] : [link])]) {
      if (!isComplete) each.write(encodeFrame(frameKinds.farewell, 0));
      each.close();
    }
    this.#candidates.clear();
    this.#changed.dispose();
    callback(error);
  }

  #hear(link: Link, frame: LinkFrame): void {
    if (frame.kind === frameKinds.greeting) {
      this.#bytes.begin(frame);
      this.#candidates.delete(link);
      const before = this.#link;
      this.#link = link;
      before?.close();
      clearTimeout(this.#timer);
      this.#silent = 0;
      link.greeted.resolve();
      this.#acknowledge();
      if (this.#endDelivered) this.#confirmEnd();
      this.#pump();
      this.#changed.fire(true);
      return;
    }
    if (link !== this.#link) return;
    this.#silent = 0;
    if (frame.kind === frameKinds.farewell) {
      this.#leaveAlone();
      return;
    }
    const data = this.#bytes.receive(frame);
    if (data !== undefined) this.#arrived.push(data);
    if (frame.kind === frameKinds.data || frame.kind === frameKinds.end) this.#deliver();
    if (frame.kind === frameKinds.end && this.#endDelivered) this.#confirmEnd();
    if (this.#written !== undefined && this.#bytes.hasRoom) {
      const written = this.#written;
      this.#written = undefined;
      written();
    }
    if (this.#finished !== undefined && this.#bytes.isEndConfirmed) this.#finish();
    this.#pump();
  }

  /** The other end is gone for good. What it said to its end still counts, and ours may end without its word. */
  #leaveAlone(): void {
    if (!this.#bytes.hasPeerEnded) {
      this.destroy(new Error('The other side gave the connection up.'));
      return;
    }
    this.#isAlone = true;
    this.#link?.close();
    this.#link = undefined;
    const written = this.#written;
    this.#written = undefined;
    written?.(new Error('The other side has ended.'));
    this.#finish();
  }

  #lose(link: Link, why: Error): void {
    this.#candidates.delete(link);
    link.greeted.reject(why);
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#unlinkedAt = performance.now();
    this.#waitForLink();
    this.#changed.fire(false);
  }

  #waitForLink(): void {
    clearTimeout(this.#timer);
    if (this.destroyed || this.#isAlone) return;
    const isOver = this.#endDelivered && this.#finished !== undefined;
    const patience = isOver ? Math.min(this.#patience, lingerTime) : this.#patience;
    const left = Math.max(0, this.#unlinkedAt + patience - performance.now());
    this.#timer = setTimeout(() => {
      // The other end has read the last word before it ended: only its saying so was lost.
      if (isOver) this.#finish();
      else this.destroy(new Error('The connection to the other side did not come back in time.'));
    }, left);
  }

  #finish(): void {
    const finished = this.#finished;
    this.#finished = undefined;
    finished?.();
  }

  #deliver(): void {
    while (this.#wanted) {
      const data = this.#arrived.shift();
      if (data === undefined) break;
      this.#bytes.take(data.length);
      this.#wanted = this.push(data);
    }
    if (this.#bytes.taken - this.#acknowledged >= this.#acknowledgeEvery) this.#acknowledge();
    if (this.#arrived.length > 0 || this.#endDelivered || !this.#bytes.hasPeerEnded) return;
    this.#endDelivered = true;
    this.#confirmEnd();
    this.push(null);
  }

  #acknowledge(): void {
    this.#acknowledged = this.#bytes.taken;
    this.#link?.write(encodeFrame(frameKinds.taken, this.#acknowledged));
  }

  #confirmEnd(): void {
    this.#link?.write(encodeFrame(frameKinds.endTaken, this.#bytes.taken));
  }

  #pump(): void {
    const link = this.#link;
    if (link === undefined) return;
    while (!link.isBlocked) {
      const frame = this.#bytes.next();
      if (frame === undefined) return;
      link.write(frame);
    }
  }

  /** Silence is counted in beats, not in time: after a sleep of our own, what has arrived meanwhile is heard first. */
  #beat(): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#silent += 1;
    if (this.#silent > silentBeats) link.fail(new Error('The link went silent.'));
    else this.#acknowledge();
  }
}

interface LinkOwner {
  readonly frame: (frame: LinkFrame) => void;
  readonly drained: () => void;
  readonly lost: (why: Error) => void;
}

/** One link as long as it lives: frames out, frames in, and one word when it is lost. */
class Link {
  readonly greeted = new Deferred<void>();
  readonly #socket: Duplex;
  readonly #owner: LinkOwner;
  readonly #parser = new LinkFrameParser();
  #isOver = false;
  #isBlocked = false;

  constructor(socket: Duplex, owner: LinkOwner) {
    this.#socket = socket;
    this.#owner = owner;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('drain', () => {
      this.#isBlocked = false;
      if (!this.#isOver) owner.drained();
    });
    socket.on('error', (error) => this.fail(error));
    socket.on('end', () => this.fail(new Error('The link was closed.')));
    socket.on('close', () => this.fail(new Error('The link was closed.')));
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  write(frame: Buffer): void {
    if (this.#isOver || this.#socket.writableEnded || this.#socket.destroyed) return;
    if (!this.#socket.write(frame)) this.#isBlocked = true;
  }

  fail(why: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.destroy();
    this.#owner.lost(why);
  }

  /** Closes it once what was written has left; a link that does not let it leave is not waited for. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.greeted.reject(new Error('The link is not needed any more.'));
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), farewellTime);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #take(chunk: Buffer): void {
    try {
      for (const frame of this.#parser.push(chunk)) {
        if (this.#isOver) return;
        this.#owner.frame(frame);
      }
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
