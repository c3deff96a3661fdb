import type { Duplex } from 'node:stream';
import { Deferred } from '../../common/deferred.ts';
import { FrameStream, type Frame } from '../../common/frames.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError } from '../../protocol/index.ts';
import type { Chunk } from '../memory/chunks.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import type { HandoffContext, HandoffOperation, LinkView } from './context.ts';
import { DepartureMemory } from './departureMemory.ts';
import { Inbox } from './inbox.ts';
import { complete, expect, fetchMemory, need, needEnd, refuseOtherWire } from './messages.ts';
import type { SourceSide } from './sourceSide.ts';
import * as v from 'valibot';

/** Most chunks that can be asked for: 256 GiB. */
const maxNeeds = 1 << 20;
/** How long a link may be away before people are shown that the process needs memory from here, in ms. */
const unnoticed = 20_000;

export interface ServingOptions {
  readonly side: SourceSide;
  readonly managed: ManagedProcess;
  readonly context: HandoffContext;
  readonly memory: DepartureMemory;
  readonly inbox: Inbox;
  readonly link: LinkView;
  /** Rejects when memory could not be sent. */
  readonly sending: Promise<void>;
}

/**
 * The original gives its memory to the copy that runs already, over one stream.
 * @throws when the stream ended before the last page was there; the original stays as it is then
 */
export async function serve(options: ServingOptions): Promise<void> {
  const { side, managed, context, memory, inbox, link, sending } = options;
  const totalBytes = memory.pendingBytes;
  const report = (): void => {
    const doneBytes = totalBytes - memory.pendingBytes;
    const { id, peer } = side;
    const step = 'serve';
    managed.setServing({ id, peer, role: 'source', step, doneBytes, totalBytes });
    context.progress({ handoff: id, process: managed.id, step, doneBytes, totalBytes });
  };
  let timer: NodeJS.Timeout | undefined;
  const subscription = link.onDidChange((isLinked) => {
    clearTimeout(timer);
    const event = isLinked ? ({ type: 'linked' } as const) : ({ type: 'linkLost' } as const);
    timer = setTimeout(() => void side.feed(event), isLinked ? 0 : unnoticed);
  });
  const stopped = new Deferred<never>();
  // What is read of a process that runs again would be another state of it.
  side.stopServing = () => {
    const why = new FlickError('cancelled', 'It was decided that the process runs here.');
    memory.fail(why);
    stopped.reject(why);
  };
  const reports = setInterval(report, reportInterval);
  report();
  try {
    const last = expect(inbox, complete);
    // Without all having been sent, when the process has ended there.
    await Promise.race([last, sending.then(() => last), stopped.promise]);
    memory.fail(new FlickError('cancelled', 'The process needs no memory any more.'));
  } finally {
    clearInterval(reports);
    clearTimeout(timer);
    subscription.dispose();
    side.stopServing = undefined;
  }
  await side.feed({ type: 'message', message: 'complete' });
}

/** How often is told how far it is, in ms. */
const reportInterval = 500;

/** The original gives its memory again, after the stream of the handoff or an agent was lost. */
export class Serving implements HandoffOperation<void> {
  readonly id: string;
  readonly result: Promise<void>;
  readonly streamOver: Promise<void>;
  readonly #options: ServingAgain;
  readonly #result = new Deferred<void>();
  readonly #abort = new AbortController();
  #joined = false;

  constructor(options: ServingAgain) {
    this.id = options.side.id;
    this.#options = options;
    this.result = this.#result.promise;
    this.streamOver = this.result.catch(() => undefined);
  }

  join(stream: Duplex, link: LinkView): void {
    this.#joined = true;
    const frames = new FrameStream(stream);
    this.#run(frames, link)
      .finally(() => frames.end())
      .then(
        () => this.#result.resolve(),
        (error: unknown) => {
          const { logger } = this.#options.context;
          logger.log('warn', 'memory could not be given to the end', {
            handoff: this.id,
            error: messageOf(error),
          });
          this.#result.reject(error);
        },
      );
  }

  expire(): void {
    if (!this.#joined) this.#result.reject(new FlickError('linkLost', 'Nobody came for memory.'));
  }

  cancel(): boolean {
    return false;
  }

  async #run(frames: FrameStream, link: LinkView): Promise<void> {
    const { side, managed, context, earlier } = this.#options;
    await earlier;
    const asked = await expect(frames, fetchMemory);
    refuseOtherWire(asked.wire);
    if (asked.handoff !== this.id || side.state.phase !== 'serving') {
      throw new FlickError('transferFailed', 'The other device asked for another process.');
    }
    const chunks = await receiveNeeds(frames);
    const memory = await DepartureMemory.open({
      ...context,
      process: managed.id,
      handoff: this.id,
      offer: asked.memory,
      // What is missing says nothing of how much there is.
      memoryBytes: Infinity,
      frames,
      signal: this.#abort.signal,
      onProgress: () => undefined,
    });
    try {
      await memory.begin();
      const inbox = new Inbox(frames, (frame: Frame) => Promise.resolve(memory.handle(frame)));
      inbox.ended.promise.catch((error: unknown) => memory.fail(error));
      side.send = async (message) => {
        if (message === 'done') await frames.sendJson({ type: 'done' }).catch(() => undefined);
      };
      await side.feed({ type: 'linked' });
      const sending = memory.sendRest(await context.engines.criu.memoryTasks(managed), chunks);
      await serve({ side, managed, context, memory, inbox, link, sending });
    } finally {
      side.send = undefined;
      await side.feed({ type: 'linkLost' });
      await memory.keep();
    }
  }
}

export interface ServingAgain extends Pick<ServingOptions, 'side' | 'managed' | 'context'> {
  /** What gave it before has let go. */
  readonly earlier: Promise<void>;
}

async function receiveNeeds(frames: FrameStream): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for (;;) {
    const message = await expect(frames, v.variant('type', [need, needEnd]));
    if (message.type === 'need-end') return chunks;
    chunks.push(...message.chunks);
    if (chunks.length > maxNeeds) {
      throw new FlickError('transferFailed', 'The other device asked for too much memory.');
    }
  }
}
