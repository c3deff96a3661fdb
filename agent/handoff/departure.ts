import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import { setTimeout as delay } from 'node:timers/promises';
import { Deferred } from '../../common/deferred.ts';
import { FrameStream } from '../../common/frames.ts';
import { ResumableStream } from '../../common/resumableStream.ts';
import { messageOf } from '../../common/rpc.ts';
import {
  FlickError,
  type HandoffOutcome,
  type HandoffStep,
  type MemoryWay,
} from '../../protocol/index.ts';
import type { Engine, EngineCapture, TreeFacts } from '../engines/engine.ts';
import { recordDeparture } from '../files/homecoming.ts';
import { chunksOf } from '../memory/chunks.ts';
import { pruneMemory } from '../memory/memoryFolders.ts';
import { totalBytes, type Entry } from '../files/manifest.ts';
import { missing, type Missing } from '../files/pieceTransfer.ts';
import { sendFiles, type TransferResult } from '../files/transfer.ts';
import { cellFolder, imagesFolder } from '../processes/cells.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { writeDurably } from '../state/durable.ts';
import { announce } from './announcement.ts';
import { plainLink, type HandoffContext, type HandoffOperation, type LinkView } from './context.ts';
import { DepartureFiles } from './departureFiles.ts';
import { DepartureMemory } from './departureMemory.ts';
import { receiveNeeded, sendEntries, type Needed } from './entryList.ts';
import { Inbox } from './inbox.ts';
import { offerOf } from './offer.ts';
import { loadImages, sendImages } from './imageTransfer.ts';
import {
  accept,
  expect,
  held,
  incomplete,
  PeerAborted,
  placed,
  refuseOtherWire,
  running,
} from './messages.ts';
import type { SourceEvent } from './machine.ts';
import { abortReason, refuseIfBlocked } from './refusal.ts';
import { serve } from './serving.ts';
import type { SourceSide } from './sourceSide.ts';
import { StepClock } from './stepClock.ts';
import { traceHandoff } from './trace.ts';
import { join } from 'node:path';

/** Most input that is taken along, in bytes. */
const maxHeldInput = 256 * 1024;

/** How long it may take until the end of a process is known, and how often is looked, in ms. */
const endPatience = 300;
const endInterval = 20;

/** Memory that takes longer than this to follow is not waited for: the process runs without it. In ms. */
const worthPostCopy = 50;
/** Memory that takes longer to look through has to wait until the process runs, in ms. */
const longLook = 300;
/** How long who moved the process waits for its memory, although it runs already, in ms. */
const resultPatience = 3_000;
/** How often people are told how far it is, in ms. */
const reportInterval = 250;

/** Links that are slower than this get their images packed, in bytes a ms. */
const slowLink = 20_000;

/** The source's half of a handoff. */
export class Departure implements HandoffOperation<HandoffOutcome> {
  readonly id: string;
  readonly result: Promise<HandoffOutcome>;
  readonly streamOver: Promise<void>;
  readonly #context: HandoffContext;
  readonly #managed: ManagedProcess;
  readonly #peer: string;
  readonly #way: MemoryWay | 'auto';
  readonly #engine: Engine;
  readonly #clock = new StepClock();
  readonly #abort = new AbortController();
  readonly #side: SourceSide;
  readonly #result = new Deferred<HandoffOutcome>();
  readonly #streamOver = new Deferred<void>();
  #outcome: HandoffOutcome | undefined;
  #link: LinkView = plainLink;
  #debugged = false;
  #memory: DepartureMemory | undefined;
  /** The target gets ready for the process while that runs. */
  #getsReady = false;
  #announced: readonly Entry[] = [];
  #joined = false;
  /** All else that goes while the process stands still has gone. */
  readonly #linkIsFree = new Deferred<void>();
  #sending: Promise<void> = Promise.resolve();
  /** Bytes that the stream has taken but not yet brought over: some MiB, which is a minute on a slow link. */
  #underWay = (): number => 0;
  #step: HandoffStep = 'check';
  #doneBytes = 0;
  #totalBytes = 0;

  constructor(options: {
    readonly id: string;
    readonly peer: string;
    readonly managed: ManagedProcess;
    readonly context: HandoffContext;
    /** How the memory is to go. */
    readonly way: MemoryWay | 'auto';
    readonly engine: Engine;
    /** Decides; it goes on where the departure ends in doubt. */
    readonly side: SourceSide;
  }) {
    this.id = options.id;
    this.#peer = options.peer;
    this.#managed = options.managed;
    this.#context = options.context;
    this.#way = options.way;
    this.#engine = options.engine;
    this.#side = options.side;
    this.result = this.#result.promise;
    this.streamOver = this.#streamOver.promise;
    this.#linkIsFree.promise.catch(() => undefined);
  }

  /** How it went as far as that is known now: with all figures once the last page is there. */
  async outcome(): Promise<HandoffOutcome> {
    const first = await this.result;
    return this.#outcome ?? first;
  }

  join(stream: Duplex, link: LinkView): void {
    this.#joined = true;
    this.#link = link;
    const frames = new FrameStream(stream);
    if (stream instanceof ResumableStream) this.#underWay = () => stream.unconfirmed;
    const reports = setInterval(() => this.#report(), reportInterval).unref();
    void this.result.catch(() => undefined).finally(() => clearInterval(reports));
    // A lost link must end the wait for whatever was expected from it.
    stream.once('close', () => {
      if (this.#side.state.phase === 'moving') this.#abort.abort();
    });
    this.#run(frames)
      .then(
        (outcome) => {
          frames.end();
          this.#result.resolve(outcome);
        },
        (error: unknown) => {
          frames.end();
          // The result stays what it was where the process runs already.
          this.#result.reject(this.#asFlickError(error));
        },
      )
      .finally(() => this.#streamOver.resolve());
  }

  expire(): void {
    if (this.#joined) return;
    // Said once: the process may be in another handoff when it is heard again.
    this.#joined = true;
    void this.#side.feed({ type: 'linkLost' }).catch(() => undefined);
    this.#managed.endHandoff();
    this.#result.reject(new FlickError('linkLost', 'The move did not begin: nobody joined it.'));
    this.#streamOver.resolve();
  }

  cancel(): boolean {
    if (!this.#side.heeds({ type: 'cancel' })) return false;
    this.#abort.abort(new FlickError('cancelled', 'The move was cancelled.'));
    return true;
  }

  async #run(frames: FrameStream): Promise<HandoffOutcome> {
    try {
      const facts = await this.#offer(frames);
      const { home, hasher } = this.#context;
      const files = await DepartureFiles.open(this.#managed, facts, home, hasher);
      await this.#copyWhileRunning(frames, files, facts);
      if (this.#way === 'auto' || this.#way === 'pre-copy') {
        await this.#memory?.copyWhileRunning(await this.#engine.memoryTasks(this.#managed));
      } else await this.#memory?.copyNothing();
      this.#begin('freeze');
      const { debug } = this.#context;
      if (this.#engine.rebuilds) await debug.withdraw(this.#managed, this.id);
      else this.#debugged = await debug.park(this.#managed, this.id);
      const freezes = performance.now();
      this.#managed.holdInput();
      const capture = await this.#engine.capture(this.#managed, {
        handoff: this.id,
        facts,
        folder: this.#imagesFolder(),
        memoryApart: this.#memory !== undefined,
        meanwhile: () => this.#lastFiles(files),
        signal: this.#abort.signal,
        ...(this.#getsReady ? { announce: (advance) => this.#announce(frames, advance) } : {}),
      });
      const frozenAt = capture.frozenAt ?? freezes;
      this.#side.original = capture;
      this.#sending = this.#sendMemory(capture);
      this.#sending.catch(() => undefined);
      const entries = await this.#sendRest(frames, files, capture, facts.memoryBytes);
      const inbox = new Inbox(frames, (frame) =>
        Promise.resolve(this.#memory?.handle(frame) ?? false),
      );
      inbox.ended.promise.catch((error: unknown) => this.#memory?.fail(error));
      this.#linkIsFree.resolve();
      const remembered = this.#rememberFiles(files, entries);
      remembered.catch(() => undefined);
      const sending = this.#sending;
      this.#begin('restore');
      const restored = expect(inbox, held);
      await this.#guarded(Promise.race([restored, sending.then(() => restored)]));
      const early = !(await this.#guarded(this.#isSentSoon(capture, sending)));
      await remembered;
      const reply = await this.#commit(frames, inbox, early);
      const downtimeMs = Math.round((performance.now() - frozenAt) * 10) / 10;
      await this.#side.feed({ type: 'message', message: reply.type });
      const isLate = reply.type === 'incomplete';
      const outcome = (): HandoffOutcome => ({
        handoff: this.id,
        process: this.#managed.id,
        pid: reply.pid,
        downtimeMs,
        ...this.#clock.read(),
        bytesSent: frames.bytesSent,
        ...this.#memoryFigures(facts.memoryBytes, isLate),
        remarks: [...this.#lost(facts), ...capture.dropped, ...reply.remarks],
      });
      if (isLate) await this.#serve(inbox, sending, outcome);
      this.#outcome = outcome();
      await this.#learn(this.#outcome);
      return this.#outcome;
    } catch (error) {
      throw await this.#unwind(frames, error);
    } finally {
      this.#linkIsFree.reject(new Error('The move is over.'));
      await this.#sending.catch(() => undefined);
      await this.#keepMemory();
    }
  }

  /**
   * Waits for the memory to be sent, if it is worth waiting for, or has to be: a process that runs without it must be able
   * to get it whatever becomes of this client.
   * @returns whether it is
   */
  async #isSentSoon({ memory }: EngineCapture, sending: Promise<void>): Promise<boolean> {
    if (memory !== undefined && this.#memory !== undefined && this.#canPostCopy) {
      if (this.#isPostponed || this.#memory.expectedMs > worthPostCopy) return false;
      return Promise.race([sending.then(() => true), delay(2 * worthPostCopy, false)]);
    }
    await sending;
    return true;
  }

  get #canPostCopy(): boolean {
    return this.#link.isDirect && (this.#way === 'auto' || this.#way === 'post-copy');
  }

  /**
   * Memory that takes long to look through has time until the process runs: until then both sides have enough to do with
   * what it needs for that.
   */
  get #isPostponed(): boolean {
    return this.#canPostCopy && (this.#memory?.lookMs ?? 0) > longLook;
  }

  /** The process runs; who moved it is told so, if not of all its memory, within a moment. */
  async #serve(inbox: Inbox, sending: Promise<void>, outcome: () => HandoffOutcome): Promise<void> {
    const memory = this.#memory;
    if (memory === undefined) throw new Error('There is no memory to be sent.');
    this.#begin('serve');
    memory.sendAll();
    const timer = setTimeout(() => this.#result.resolve(outcome()), resultPatience);
    const { id, peer } = this.#side;
    this.#context.logger.log('info', 'it runs there, memory follows', { handoff: id, peer });
    try {
      const options = { side: this.#side, managed: this.#managed, context: this.#context };
      await serve({ ...options, memory, inbox, link: this.#link, sending });
    } catch (error) {
      this.#result.resolve(outcome());
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** All that the images do not hold, out of the process as it stands still. */
  async #sendMemory({ memory }: EngineCapture): Promise<void> {
    if (memory === undefined || this.#memory === undefined) return;
    await this.#memory.sendRest(memory.tasks, chunksOf(memory.pages), {
      free: this.#linkIsFree.promise,
      onlyWanted: this.#isPostponed,
    });
  }

  /** What was sent need not be sent again by the next move, whether this one got through or not. */
  async #keepMemory(): Promise<void> {
    try {
      await this.#memory?.keep();
      await pruneMemory(this.#context.home, this.#managed.id);
    } catch (error) {
      this.#context.logger.log('warn', 'an image of memory was not kept', {
        error: messageOf(error),
      });
    }
  }

  /** Nothing more comes of the stream. What that means, the machine says. @returns what to tell people */
  async #unwind(frames: FrameStream, error: unknown): Promise<unknown> {
    const side = this.#side;
    side.send = async (message) => {
      if (message === 'abort') await this.#tell(frames, error);
      else await frames.sendJson({ type: message }).catch(() => undefined);
    };
    const event: SourceEvent =
      error instanceof PeerAborted
        ? { type: 'message', message: 'abort' }
        : side.state.phase === 'serving'
          ? { type: 'linkLost' }
          : { type: 'failed', before: side.state };
    await side.feed(event).catch((failure: unknown) =>
      this.#context.logger.log('error', 'a move could not be taken back yet', {
        handoff: this.id,
        error: messageOf(failure),
      }),
    );
    side.send = undefined;
    this.#managed.endHandoff();
    const { state } = side;
    if (state.phase === 'over') return (await this.#endedMeanwhile(error)) ?? error;
    if (state.phase === 'serving' || state.phase === 'claimed') {
      this.#context.logger.log('warn', 'memory could not be given to the end', {
        handoff: this.id,
        error: messageOf(error),
      });
      return error;
    }
    return new FlickError(
      'inDoubt',
      `The connection to ${this.#peer} was lost at the moment of the hand-over; the process stands still here until ${this.#peer} can be asked whether it runs there.`,
      { remedy: `Connect ${this.#peer}; Flick then settles it by itself.`, cause: error },
    );
  }

  async #offer(frames: FrameStream): Promise<TreeFacts> {
    this.#begin('check');
    const engine = this.#engine;
    const facts = await engine.inspect(this.#managed);
    const { privilegedHelper } = await this.#context.device();
    refuseIfBlocked(await engine.departure(this.#managed, facts, privilegedHelper));
    await frames.sendJson(offerOf(this.#managed, engine, facts, this.id));
    const answer = await this.#guarded(expect(frames, accept));
    if (answer.sealed) frames.seal();
    this.#getsReady = answer.getsReady;
    refuseOtherWire(answer.wire);
    refuseIfBlocked(answer.findings);
    if (answer.memory !== undefined && engine.movesMemory) {
      this.#memory = await DepartureMemory.open({
        ...this.#context,
        process: this.#managed.id,
        handoff: this.id,
        offer: answer.memory,
        memoryBytes: facts.memoryBytes,
        frames,
        signal: this.#abort.signal,
        onProgress: this.#onBytes,
      });
    }
    return facts;
  }

  async #copyWhileRunning(
    frames: FrameStream,
    files: DepartureFiles,
    facts: TreeFacts,
  ): Promise<void> {
    this.#begin('copy');
    const entries = await files.collect(facts, this.#abort.signal);
    await sendEntries(frames, entries, []);
    this.#announced = entries;
    const needed = await this.#guarded(receiveNeeded(frames, entries));
    this.#totalBytes = totalBytes(needed.entries) + facts.memoryBytes;
    await this.#sendFiles(frames, files, needed);
    await this.#guarded(expect(frames, placed));
  }

  async #announce(frames: FrameStream, advance: Buffer): Promise<void> {
    traceHandoff(this.#context.logger, this.id, 'source', 'announce');
    await this.#guarded(announce(frames, advance, this.#transfer()));
  }

  /** The files as they are once the process stands still, while what it wrote to its memory last is sent. */
  async #lastFiles(files: DepartureFiles): Promise<readonly Entry[]> {
    const facts = this.#engine.inspectFiles(this.#managed);
    const entries = facts.then((each) => files.collect(each, this.#abort.signal));
    const [found] = await Promise.all([entries, this.#memory?.endRounds()]);
    return found;
  }

  /** Everything that could still change while the process ran, and its images. @returns all its files as they left */
  async #sendRest(
    frames: FrameStream,
    files: DepartureFiles,
    capture: EngineCapture<readonly Entry[]>,
    memoryBytes: number,
  ): Promise<readonly Entry[]> {
    this.#begin('send');
    const entries = capture.meanwhile;
    // Read while the other side looks at the files.
    const reading = [loadImages(capture.images), this.#managed.cell?.scrollback()] as const;
    for (const each of reading) each?.catch(() => undefined);
    await sendEntries(frames, entries, this.#announced);
    const needed = await this.#guarded(receiveNeeded(frames, entries));
    const images = await reading[0];
    const imageBytes = images.files.reduce((sum, each) => sum + each.size, 0);
    this.#totalBytes =
      this.#doneBytes +
      totalBytes(needed.entries) +
      imageBytes +
      (capture.memory === undefined ? 0 : memoryBytes);
    const { changed } = await this.#sendFiles(frames, files, needed);
    if (changed.length > 0) {
      throw new FlickError(
        'transferFailed',
        `${changed[0] ?? 'A file'} was changed by another program while the process stood still.`,
        { remedy: 'Try again when nobody else writes to that file.' },
      );
    }
    await this.#sendScrollback(frames, await reading[1]);
    await frames.sendJson({
      type: 'images',
      root: capture.root,
      terminalKeys: capture.terminalKeys,
      memoryApart: capture.memory !== undefined,
      keepConnections: capture.keepConnections,
      files: images.files,
    });
    await sendImages(frames, images, {
      ...this.#transfer(),
      pack: (this.#memory?.rate ?? 0) < slowLink,
    });
    return entries;
  }

  async #sendFiles(
    frames: FrameStream,
    { view }: DepartureFiles,
    { entries, based }: Needed,
  ): Promise<TransferResult> {
    const answer = (): Promise<Missing> => this.#guarded(expect(frames, missing));
    const options = { ...this.#transfer(), based: { paths: based, answer } };
    return sendFiles(frames, view, entries, options);
  }

  async #sendScrollback(
    frames: FrameStream,
    kept: { readonly base: number; readonly bytes: Buffer } | undefined,
  ): Promise<void> {
    const content = kept?.bytes ?? Buffer.alloc(0);
    await frames.sendJson({ type: 'scrollback', base: kept?.base ?? 0, length: content.length });
    await frames.sendData(content);
  }

  /** What home knows of its files when the process comes back: of no use, and of no harm, if it does not leave. */
  async #rememberFiles({ carriedRoots }: DepartureFiles, entries: readonly Entry[]): Promise<void> {
    if (!this.#managed.atHome) return;
    const away = recordDeparture(entries, carriedRoots);
    await writeDurably(this.#managed.folders.away, `${JSON.stringify(away)}\n`);
  }

  /** From here on the target decides; the order of what happens is the machine's (docs/handoff.md). */
  async #commit(
    frames: FrameStream,
    inbox: Inbox,
    early: boolean,
  ): Promise<v.InferOutput<typeof running> | v.InferOutput<typeof incomplete>> {
    this.#begin('commit');
    this.#abort.signal.throwIfAborted();
    this.#side.send = async (message) => {
      if (message === 'run') await this.#sendRun(frames, early);
      // That it was heard is confirmed by nobody: a word that stays with the target does no harm. An abort is told by
      // the end of the stream.
      if (message === 'done') await frames.sendJson({ type: 'done' }).catch(() => undefined);
    };
    await this.#side.feed({ type: 'message', message: 'held' });
    return expect(inbox, v.variant('type', [running, incomplete]));
  }

  async #sendRun(frames: FrameStream, early: boolean): Promise<void> {
    this.#begin('resume');
    const input = this.#managed.takeHeldInput().subarray(0, maxHeldInput).toString('base64');
    await frames.sendJson({ type: 'run', input, debugged: this.#debugged, early });
  }

  #memoryFigures(memoryBytes: number, isLate: boolean): Pick<HandoffOutcome, 'memory'> {
    return this.#memory === undefined ? {} : { memory: this.#memory.figures(memoryBytes, isLate) };
  }

  /** What the next check says of such a move. */
  async #learn(outcome: HandoffOutcome): Promise<void> {
    const { memory, downtimeMs: pauseMs, totalMs } = outcome;
    if (memory === undefined || this.#memory === undefined) return;
    const { bytes: memoryBytes, sentBytes, way } = memory;
    const { rate } = this.#memory;
    const figures = { memoryBytes, sentBytes, rate, pauseMs, totalMs, way };
    await this.#context.forecasts
      .learn(this.#peer, this.#managed.id, figures)
      .catch(() => undefined);
  }

  /** What the move closed, said again afterwards. */
  #lost(facts: TreeFacts): string[] {
    const outside = facts.connections.filter((each) => !each.inside && each.protocol === 'tcp');
    if (outside.length === 0) return [];
    const named = outside.slice(0, 5).map((each) => `${each.local} ↔ ${each.remote}`);
    const more = outside.length > named.length ? ` and ${outside.length - named.length} more` : '';
    return [`Closed by the move: ${named.join(', ')}${more}.`];
  }

  #imagesFolder(): string {
    const { folders, record } = this.#managed;
    return record.cell === null
      ? join(folders.root, `guard-${this.id}`)
      : imagesFolder(cellFolder(folders, record.cell.number));
  }

  /** Waits for the other side, but not longer than until the move is cancelled or the link is gone. */
  async #guarded<T>(wait: Promise<T>): Promise<T> {
    const { signal } = this.#abort;
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(abortReason(signal));
      signal.addEventListener('abort', onAbort, { once: true });
      wait.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  #transfer(): { signal: AbortSignal; onProgress: (bytes: number) => void } {
    return { signal: this.#abort.signal, onProgress: this.#onBytes };
  }

  readonly #onBytes = (bytes: number): void => {
    this.#doneBytes += bytes;
    this.#report();
  };

  #begin(step: HandoffStep): void {
    this.#clock.begin(step);
    this.#step = step;
    traceHandoff(this.#context.logger, this.id, 'source', step);
    this.#report();
  }

  #report(): void {
    const total = Math.max(this.#totalBytes, this.#doneBytes);
    const doneBytes = Math.max(0, this.#doneBytes - this.#underWay());
    this.#managed.progress(this.#step, doneBytes, total);
    this.#context.progress({
      handoff: this.id,
      process: this.#managed.id,
      step: this.#step,
      doneBytes,
      totalBytes: total,
    });
  }

  async #tell(frames: FrameStream, error: unknown): Promise<void> {
    if (error instanceof PeerAborted) return;
    const data = this.#asFlickError(error).toData();
    await frames.sendJson({ type: 'abort', ...data }).catch(() => undefined);
  }

  /** Whatever failed first when the process ended during the move, that it ended is the reason. */
  async #endedMeanwhile(error: unknown): Promise<FlickError | undefined> {
    const { reason } = this.#asFlickError(error);
    if (error instanceof PeerAborted || !['linkLost', 'dumpFailed', 'processGone'].includes(reason))
      return undefined;
    for (const deadline = performance.now() + endPatience; this.#managed.isLive;) {
      if (performance.now() > deadline) return undefined;
      await delay(endInterval);
    }
    const { name } = this.#managed.record;
    return new FlickError('processGone', `“${name}” ended while it was being moved.`, {
      cause: error,
    });
  }

  #asFlickError(error: unknown): FlickError {
    if (error instanceof FlickError) return error;
    if (this.#abort.signal.aborted) return abortReason(this.#abort.signal);
    return new FlickError(
      'linkLost',
      `The connection to ${this.#peer} was lost during the move (${messageOf(error)}). The process goes on here.`,
      { remedy: 'Try again when the device is connected.', cause: error },
    );
  }
}
