import type { Duplex } from 'node:stream';
import { Deferred } from '../../common/deferred.ts';
import { FrameStream, type Frame } from '../../common/frames.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError } from '../../protocol/index.ts';
import { readLazyFiles } from '../engines/criu/lazyFiles.ts';
import { countPages, pageBytes, type Chunk } from '../memory/chunks.ts';
import type { Cell } from '../processes/cell.ts';
import { imagesFolder } from '../processes/cells.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { ArrivalMemory } from './arrivalMemory.ts';
import type { HandoffContext, HandoffOperation } from './context.ts';
import { Inbox } from './inbox.ts';
import { untilInstalled } from './installation.ts';
import { done, expect, handoffWire } from './messages.ts';
import type { TargetSide } from './targetSide.ts';

/** Chunks that are asked for in one message. */
const needsAtOnce = 2_000;
/** How often is looked how far it is, in ms. */
const reportInterval = 500;

export interface FetchingOptions {
  readonly side: TargetSide;
  readonly managed: ManagedProcess;
  readonly cell: Cell;
  readonly context: HandoffContext;
  readonly memory: ArrivalMemory;
  /** What the running process lacks. */
  readonly missing: readonly Chunk[];
  readonly inbox: Inbox;
}

/**
 * The copy that runs already gets the memory that it lacks, over one stream.
 * @throws when the stream ended before the last page was there; who touches one that is missing waits for it
 */
export async function fetchRest(options: FetchingOptions): Promise<void> {
  const { side, managed, cell, context, memory, missing, inbox } = options;
  const totalBytes = missing.reduce((sum, each) => sum + countPages(each), 0) * pageBytes;
  const report = (): void => {
    const doneBytes = Math.min(totalBytes, memory.arrivedBytes);
    managed.setArrivingMemory({ from: side.peer, doneBytes, totalBytes });
  };
  const { id, process } = side;
  context.progress({ handoff: id, process, step: 'serve', doneBytes: 0, totalBytes });
  const reports = setInterval(report, reportInterval);
  report();
  try {
    await Promise.race([memory.whenComplete(missing), ended(cell)]);
  } finally {
    clearInterval(reports);
  }
  await side.feed({ type: 'pagesArrived' });
  try {
    await expect(inbox, done);
    await side.feed({ type: 'message', message: 'done' });
  } catch (error) {
    // All is here. That the source knows it is found out when the two meet again.
    context.logger.log('info', 'nobody has confirmed that all memory is here', {
      handoff: id,
      error: messageOf(error),
    });
  }
}

/** @throws when the process did not end by itself, but was lost */
async function ended(cell: Cell): Promise<void> {
  const { kind } = await cell.ended;
  if (kind === 'lost') throw new FlickError('processGone', 'The process was lost.');
}

/** The copy gets its memory again, after the stream of the handoff or an agent was lost. */
export class Fetching implements HandoffOperation<void> {
  readonly id: string;
  readonly result: Promise<void>;
  readonly streamOver: Promise<void>;
  readonly #options: FetchingAgain;
  readonly #result = new Deferred<void>();
  #joined = false;

  constructor(options: FetchingAgain) {
    this.id = options.side.id;
    this.#options = options;
    this.result = this.#result.promise;
    this.streamOver = this.result.catch(() => undefined);
  }

  join(stream: Duplex): void {
    this.#joined = true;
    const frames = new FrameStream(stream);
    this.#run(frames)
      .finally(() => frames.end())
      .then(
        () => this.#result.resolve(),
        (error: unknown) => {
          const { logger } = this.#options.context;
          logger.log('warn', 'memory could not be fetched to the end', {
            handoff: this.id,
            error: messageOf(error),
          });
          this.#result.reject(error);
        },
      );
  }

  expire(): void {
    if (!this.#joined) this.#result.reject(new FlickError('linkLost', 'Nobody gives memory.'));
  }

  cancel(): boolean {
    return false;
  }

  async #run(frames: FrameStream): Promise<void> {
    const { side, managed, cell, context, earlier } = this.#options;
    await earlier;
    const { state } = side;
    if (state.phase !== 'running' || state.complete) {
      throw new FlickError('transferFailed', 'The process has all of its memory.');
    }
    const files = await readLazyFiles(imagesFolder(cell.folder));
    const { missing } = files;
    const memory = await ArrivalMemory.reopen(
      { home: context.home, process: managed.id, label: this.id, files },
      frames,
      () => undefined,
    );
    try {
      side.send = (message) => frames.sendJson({ type: message }).catch(() => undefined);
      const { offer } = memory;
      await frames.sendJson({ type: 'fetch', wire: handoffWire, handoff: this.id, memory: offer });
      for (let first = 0; first < missing.length; first += needsAtOnce) {
        const chunks = missing.slice(first, first + needsAtOnce);
        await frames.sendJson({ type: 'need', chunks });
      }
      await frames.sendJson({ type: 'need-end' });
      await memory.serveAgain(cell);
      const inbox = new Inbox(frames, (frame: Frame) => memory.handle(frame));
      inbox.ended.promise.catch((error: unknown) => memory.fail(error));
      await fetchRest({ side, managed, cell, context, memory, missing, inbox });
    } finally {
      side.send = undefined;
      await memory.keep();
    }
    await untilInstalled(managed, cell);
  }
}

export interface FetchingAgain extends Pick<
  FetchingOptions,
  'side' | 'managed' | 'cell' | 'context'
> {
  /** What fetched before has let go. */
  readonly earlier: Promise<void>;
}
