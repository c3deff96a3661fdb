import type { Duplex } from 'node:stream';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { readLines } from '../../../common/lines.ts';
import { ResumableChannel } from '../../../common/resumableChannel.ts';
import {
  maxRuntimeMessage,
  type RuntimeHello,
  type RuntimeRequest,
  type RuntimeResponse,
} from '../../../protocol/debugRuntime.ts';
import { AdapterTarget } from './adapterTarget.ts';
import { cutTexts } from './cutTexts.ts';
import {
  InspectorRefusal,
  MainInspector,
  WorkerInspector,
  type InspectorMessage,
} from './inspectorTarget.ts';
import { PauseCouncil } from './pauseCouncil.ts';

/** Console output is dropped when so many messages wait for a debugger that is away: the program must not fill up. */
const maxWaiting = 5_000;
/** A new thread waits for its debugger's breakpoints no longer than this, in ms. */
const threadPatience = 2_000;

interface ProgramThread {
  readonly inspector: WorkerInspector;
  readonly target: AdapterTarget;
}

export interface SessionContext {
  /** Shared by all sessions: they all hear of the main thread's pauses. */
  readonly council: PauseCouncil;
  /** Lets a process begin that waits for its debugger. */
  readonly start: () => void;
  readonly ended: (session: ClientSession) => void;
}

/** One debugger's session: it outlives the streams that the debugger comes through. */
export class ClientSession {
  readonly token = randomBytes(16).toString('hex');
  readonly #hello: RuntimeHello;
  readonly #context: SessionContext;
  readonly #channel = new ResumableChannel((message) => this.#take(message));
  readonly #inspector: MainInspector;
  readonly #main: AdapterTarget;
  readonly #threads = new Map<string, ProgramThread>();
  #stream: Duplex | undefined;
  #grace: NodeJS.Timeout | undefined;
  #dropped = 0;
  #over = false;

  constructor(hello: RuntimeHello, context: SessionContext) {
    this.#hello = hello;
    this.#context = context;
    this.#inspector = new MainInspector((message) => this.#notify(message));
    this.#main = new AdapterTarget(this.#inspector, context.council, (method, params) =>
      this.#event({ method, params }),
    );
    if (hello.mode === 'adapter') {
      this.#inspector
        .post('NodeWorker.enable', { waitForDebuggerOnStart: true })
        .catch(() => undefined);
    }
  }

  get received(): number {
    return this.#channel.received;
  }

  /** Goes on over a stream on which both sides have greeted each other. */
  attach(stream: Duplex, received: number): void {
    this.#stream?.destroy();
    this.#stream = stream;
    clearTimeout(this.#grace);
    stream.once('close', () => {
      if (this.#stream === stream) this.#detached();
    });
    stream.once('end', () => stream.destroy());
    this.#channel.link(received, (line) => stream.write(line));
    readLines(stream, {
      limit: maxRuntimeMessage,
      onLine: (line) => this.#channel.receive(line),
    });
  }

  /** Closes the stream for a move: nobody is counted as away meanwhile. Resolves when it is closed. */
  async park(): Promise<void> {
    // Nor does it count for one who is away already: the clock may go on while the process stands frozen.
    clearTimeout(this.#grace);
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    this.#channel.unlink();
    await new Promise<void>((resolve) => {
      stream.once('close', resolve);
      stream.end();
      // A debugger that does not close its end must not hold the move up.
      setTimeout(() => stream.destroy(), 200);
    });
  }

  /** Counts from now on how long the debugger is away. */
  unpark(): void {
    if (this.#stream === undefined) this.#detached();
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#grace);
    this.#main.dispose();
    for (const each of this.#threads.values()) each.target.dispose();
    this.#inspector.close();
    this.#channel.unlink();
    this.#stream?.end();
    this.#context.ended(this);
  }

  #detached(): void {
    this.#stream = undefined;
    this.#channel.unlink();
    clearTimeout(this.#grace);
    if (!this.#over) this.#grace = setTimeout(() => this.end(), this.#hello.graceMs);
  }

  #take(message: unknown): void {
    if (!isRequest(message)) return;
    this.#carryOut(message).then(
      (result) => {
        this.#answer({ id: message.id, result });
        if (message.method === 'Flick.leave') setImmediate(() => this.end());
      },
      (error: unknown) => this.#answer({ id: message.id, error: refusal(error) }),
    );
  }

  async #carryOut({ method, params = {}, thread = 0 }: RuntimeRequest): Promise<unknown> {
    if (method === 'Flick.start' || method === 'Runtime.runIfWaitingForDebugger') {
      if (thread === 0) this.#context.start();
    }
    switch (method) {
      case 'Flick.start':
      case 'Flick.leave':
      // The program would wait at its end for a debugger that may be far away.
      case 'NodeRuntime.notifyWhenWaitingForDisconnect':
        return {};
      case 'Flick.readFile':
        return readText(params as { path: string; limit: number });
    }
    if (this.#hello.mode === 'cdp') return this.#inspector.post(method, params);
    return cutTexts(await this.#target(thread).handle(method, params));
  }

  #target(thread: number): AdapterTarget {
    if (thread === 0) return this.#main;
    const found = this.#threads.get(String(thread));
    if (found === undefined) throw new InspectorRefusal('The thread has ended.', undefined);
    return found.target;
  }

  #notify(message: InspectorMessage): void {
    if (this.#isAboutUs(message)) return;
    if (this.#hello.mode === 'cdp') this.#event(message);
    else if (!this.#threadMessage(message)) this.#main.notify(message);
  }

  /** Our own thread is a worker of the process too; nobody wants to debug it. */
  #isAboutUs({ method, params }: InspectorMessage): boolean {
    if (method !== 'NodeWorker.attachedToWorker') return false;
    const { sessionId, workerInfo, waitingForDebugger } = params as AttachedToWorker;
    if (!workerInfo.title.startsWith(`[worker ${threadId}]`)) return false;
    if (!waitingForDebugger) {
      this.#inspector.post('NodeWorker.detach', { sessionId }).catch(() => undefined);
    }
    return true;
  }

  /** @returns whether the message belongs to a thread of the program */
  #threadMessage({ method, params }: InspectorMessage): boolean {
    switch (method) {
      case 'NodeWorker.attachedToWorker':
        this.#threadStarted(params as AttachedToWorker);
        return true;
      case 'NodeWorker.detachedFromWorker': {
        const { sessionId } = params as { sessionId: string };
        const found = this.#threads.get(sessionId);
        if (found === undefined) return true;
        this.#threads.delete(sessionId);
        found.inspector.end();
        found.target.dispose();
        this.#event({
          method: 'Flick.threadEnded',
          params: { thread: found.inspector.thread },
        });
        return true;
      }
      case 'NodeWorker.receivedMessageFromWorker': {
        const { sessionId, message } = params as { sessionId: string; message: string };
        this.#threads.get(sessionId)?.inspector.receive(message);
        return true;
      }
      default:
        return false;
    }
  }

  #threadStarted({ sessionId, workerInfo, waitingForDebugger }: AttachedToWorker): void {
    const thread = Number(sessionId);
    const inspector: WorkerInspector = new WorkerInspector(this.#inspector, sessionId, (message) =>
      target.notify(message),
    );
    const target = new AdapterTarget(inspector, new PauseCouncil(), (method, params) =>
      this.#event({ method, params, thread }),
    );
    this.#threads.set(sessionId, { inspector, target });
    this.#event({
      method: 'Flick.threadStarted',
      params: { thread, title: workerInfo.title, url: workerInfo.url },
    });
    if (!waitingForDebugger) return;
    setTimeout(() => {
      inspector.post('Runtime.runIfWaitingForDebugger').catch(() => undefined);
    }, threadPatience);
  }

  #answer(response: RuntimeResponse): void {
    if (this.#over) return;
    const size = response.result === undefined ? 0 : Buffer.byteLength(JSON.stringify(response));
    if (size < maxRuntimeMessage) this.#channel.send(response);
    else {
      const message = `The answer would be ${Math.ceil(size / 2 ** 20)} MB long.`;
      this.#channel.send({ id: response.id, error: { message } });
    }
  }

  #event(event: InspectorMessage & { thread?: number }): void {
    if (this.#over) return;
    if (event.method === 'Runtime.consoleAPICalled' && this.#channel.pending > maxWaiting) {
      this.#dropped += 1;
      return;
    }
    if (this.#dropped > 0 && this.#channel.pending <= maxWaiting) {
      const dropped = this.#dropped;
      this.#dropped = 0;
      if (this.#hello.mode === 'adapter') {
        this.#channel.send({ method: 'Flick.outputDropped', params: { messages: dropped } });
      }
    }
    this.#channel.send(this.#hello.mode === 'adapter' ? cutTexts(event) : event);
  }
}

interface AttachedToWorker {
  readonly sessionId: string;
  readonly workerInfo: { readonly title: string; readonly url: string };
  readonly waitingForDebugger: boolean;
}

function isRequest(message: unknown): message is RuntimeRequest {
  if (typeof message !== 'object' || message === null) return false;
  const { id, method, params, thread } = message as Record<string, unknown>;
  return (
    typeof id === 'number' &&
    typeof method === 'string' &&
    (params === undefined || (typeof params === 'object' && params !== null)) &&
    (thread === undefined || typeof thread === 'number')
  );
}

function refusal(error: unknown): NonNullable<RuntimeResponse['error']> {
  if (error instanceof InspectorRefusal) return { code: error.code, message: error.message };
  return { message: error instanceof Error ? error.message : String(error) };
}

function readText({ path, limit }: { path: string; limit: number }): {
  text: string | null;
  size: number;
} {
  const { size } = regularFile(path);
  if (size > Math.min(limit, maxRuntimeMessage / 2)) return { text: null, size };
  return { text: readFileSync(path, 'utf8'), size };
}

/** @throws when there is no such file, or it is something that could block whoever reads it */
function regularFile(path: string): { size: number } {
  const found = statSync(path);
  if (!found.isFile()) throw new Error(`${path} is not a file.`);
  return found;
}
