import { Deferred } from '../common/deferred.ts';
import { DisposableStore, type Disposable } from '../common/disposable.ts';
import { Emitter, type Event } from '../common/event.ts';
import { RuntimeChannel } from '../common/runtimeChannel.ts';
import type {
  RuntimeEvent,
  RuntimeRequest,
  RuntimeResponse,
  RuntimeWelcome,
} from '../protocol/index.ts';
import {
  CdpError,
  DebuggeeGone,
  type CdpThread,
  type Command,
  type CommandParams,
  type CommandResult,
  type RemoteEvent,
  type RemoteEventParams,
} from './cdp.ts';
import type { DebuggeeLink } from '../common/debuggee.ts';

interface Pending {
  readonly result: Deferred<unknown>;
}

/** A session with the debug runtime of one process, over whatever streams the link brings. */
export class RuntimeConnection implements Disposable {
  readonly #store = new DisposableStore();
  readonly #channel: RuntimeChannel;
  readonly #pending = new Map<number, Pending>();
  readonly #threads = new Map<number, ThreadEnd>();
  #lastId = 0;
  #gone = false;

  /** A stream to the runtime works: for the first time, or again after a move or a broken link. */
  readonly onDidConnect: Event<RuntimeWelcome>;
  /**
   * The session that was asked for had ended (its grace was over): nothing that was set or known in it holds any more, and
   * requests that waited have failed with {@link DebuggeeGone}. Fires before `onDidConnect`.
   */
  readonly onDidRestart: Event<RuntimeWelcome>;
  /** The runtime would not talk to us, with its reason. */
  readonly onDidRefuse: Event<string>;

  /** @param graceMs how long the process stays as it is after the adapter has vanished without a word */
  constructor(link: DebuggeeLink, graceMs: number) {
    this.#channel = this.#store.add(
      new RuntimeChannel({
        mode: 'adapter',
        graceMs,
        deliver: (message) => this.#take(message),
      }),
    );
    this.onDidConnect = this.#channel.onDidConnect;
    this.onDidRestart = this.#channel.onDidRestart;
    this.onDidRefuse = this.#channel.onDidRefuse;
    this.#store.add(this.onDidRestart(() => this.#failPending()));
    this.#store.add(link.onDidOpen((stream) => void this.#channel.open(stream)));
  }

  get isConnected(): boolean {
    return this.#channel.isConnected;
  }

  /** The inspector of a thread; 0 is the main thread. */
  thread(thread: number): CdpThread {
    return this.#threadEnd(thread);
  }

  get main(): CdpThread {
    return this.thread(0);
  }

  /** Forgets a thread that has ended. */
  dropThread(thread: number): void {
    this.#threads.get(thread)?.dispose();
    this.#threads.delete(thread);
  }

  /** The process has ended: nothing will be answered any more. */
  end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#failPending();
  }

  dispose(): void {
    this.end();
    this.#store.dispose();
    for (const each of this.#threads.values()) each.dispose();
  }

  #request(
    thread: number,
    method: string,
    params: object | undefined,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (this.#gone) return Promise.reject(new DebuggeeGone());
    this.#lastId += 1;
    const id = this.#lastId;
    const result = new Deferred<unknown>();
    this.#pending.set(id, { result });
    const request: RuntimeRequest = { id, method, params: params ?? {}, thread };
    this.#channel.send(request);
    if (signal === undefined) return result.promise;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error);
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      result.promise
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  #take(message: unknown): void {
    if (typeof message !== 'object' || message === null) return;
    if ('id' in message) this.#answer(message as RuntimeResponse);
    else if ('method' in message) {
      const { method, params, thread } = message as RuntimeEvent;
      this.#threadEnd(thread ?? 0).fire(method, params);
    }
  }

  #answer({ id, result, error }: RuntimeResponse): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.result.resolve(result ?? {});
    else pending?.result.reject(new CdpError(error.message, error.code));
  }

  #threadEnd(thread: number): ThreadEnd {
    let end = this.#threads.get(thread);
    if (end === undefined) {
      end = new ThreadEnd(thread, (method, params, signal) =>
        this.#request(thread, method, params, signal),
      );
      this.#threads.set(thread, end);
    }
    return end;
  }

  #failPending(): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const each of pending) each.result.reject(new DebuggeeGone());
  }
}

type Send = (
  method: string,
  params: object | undefined,
  signal: AbortSignal | undefined,
) => Promise<unknown>;

class ThreadEnd implements CdpThread, Disposable {
  readonly thread: number;
  readonly #send: Send;
  readonly #events = new Map<string, Emitter<unknown>>();

  constructor(thread: number, send: Send) {
    this.thread = thread;
    this.#send = send;
  }

  // What is asked for decides the types of parameters and result; the wire itself carries plain objects.
  async send<M extends Command>(
    method: M,
    params?: CommandParams<M>,
    signal?: AbortSignal,
  ): Promise<CommandResult<M>> {
    return (await this.#send(method, params as object | undefined, signal)) as CommandResult<M>;
  }

  on<E extends RemoteEvent>(event: E): Event<RemoteEventParams<E>> {
    let emitter = this.#events.get(event);
    if (emitter === undefined) {
      emitter = new Emitter<unknown>();
      this.#events.set(event, emitter);
    }
    return emitter.event as Event<RemoteEventParams<E>>;
  }

  fire(event: string, params: unknown): void {
    this.#events.get(event)?.fire(params);
  }

  dispose(): void {
    for (const each of this.#events.values()) each.dispose();
  }
}
