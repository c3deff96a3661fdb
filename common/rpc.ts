import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import {
  CancellationTokenSource,
  createMessageConnection,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import {
  errorData,
  FlickError,
  type AnyNotification,
  type AnyRequest,
  type ParamsOf,
  type ResultOf,
} from '../protocol/index.ts';
import { toDisposable, type Disposable } from './disposable.ts';
import { Emitter, type Event } from './event.ts';
import type { Logger } from './logger.ts';

/** Code of every Flick error on the wire; what it means is in its `data` (JSON-RPC leaves -32000 to -32099 to us). */
const flickErrorCode = -32000;

/** Runs one request. `signal` is aborted when the caller cancels or goes away. */
export type Handler<C extends AnyRequest> = (
  params: ParamsOf<C>,
  signal: AbortSignal,
) => Promise<ResultOf<C>>;

/** Turns of the event loop in which answers are still waited for when a stream has come to its end. */
const drainTurns = 64;

/** Typed JSON-RPC 2.0 over any duplex stream; everything that arrives is validated here and nowhere else. */
export class RpcPeer implements Disposable {
  readonly #connection: MessageConnection;
  readonly #closed = new Emitter<void>();
  readonly #logger: Logger;
  #isClosed = false;
  /** Its stream has come to its end or broken; until it is closed, what has arrived may still be dealt with. */
  #hasEnded = false;

  /** Fires once, when the stream has ended or broken. */
  readonly onDidClose: Event<void> = this.#closed.event;

  constructor(stream: Duplex, logger: Logger) {
    this.#logger = logger;
    this.#connection = createMessageConnection(
      new StreamMessageReader(stream),
      new StreamMessageWriter(stream),
      undefined,
    );
    const close = (): void => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#hasEnded = true;
      this.#closed.fire();
      this.#connection.dispose();
      stream.destroy();
    };
    stream.on('error', close);
    stream.on('close', () => this.#drain(close));
    // A tunnelled socket stays half open when the program at its other end dies: nothing more will be answered then.
    stream.on('end', () => this.#drain(close));
    this.#connection.onClose(() => this.#drain(close));
    // A malformed message says that the other end does not speak our protocol: there is nothing to go on with.
    this.#connection.onError(([error]) => {
      this.#logger.log('warn', 'connection failed', { error: error.message });
      close();
    });
    this.#connection.listen();
  }

  /** The connection deals with one message in a turn: an answer may have come right before the end. */
  #drain(close: () => void, turns = drainTurns): void {
    this.#hasEnded = true;
    if (turns === 0 || !this.#connection.hasPendingResponse()) close();
    else setImmediate(() => this.#drain(close, turns - 1));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @throws {FlickError} what the other side reported, or `linkLost` when the stream is gone. */
  async request<C extends AnyRequest>(
    contract: C,
    params: ParamsOf<C>,
    signal?: AbortSignal,
  ): Promise<ResultOf<C>> {
    if (this.#hasEnded) throw linkLost();
    const source = new CancellationTokenSource();
    const cancel = (): void => source.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      // The connection rejects what is pending when it is disposed, so a lost link ends every request.
      const result: unknown = await this.#connection.sendRequest(
        contract.method,
        params,
        source.token,
      );
      return v.parse(contract.result, result);
    } catch (error) {
      throw this.#hasEnded && !(error instanceof ResponseError && isFlickError(error))
        ? linkLost(error)
        : fromWire(contract.method, error);
    } finally {
      signal?.removeEventListener('abort', cancel);
      source.dispose();
    }
  }

  handle<C extends AnyRequest>(contract: C, handler: Handler<C>): void {
    this.#connection.onRequest(contract.method, async (raw: unknown, token) => {
      const parsed = v.safeParse(contract.params, raw);
      if (!parsed.success) {
        return toWire(
          new FlickError(
            'invalidRequest',
            `The request ${contract.method} was not understood: ${describeIssues(parsed.issues)}`,
          ),
        );
      }
      const abort = new AbortController();
      const cancelled = token.onCancellationRequested(() => abort.abort());
      const closed = this.onDidClose(() => abort.abort());
      try {
        return await handler(parsed.output as ParamsOf<C>, abort.signal);
      } catch (error) {
        if (!(error instanceof FlickError)) {
          this.#logger.log('error', 'request failed', {
            method: contract.method,
            error: error instanceof Error ? error.stack : String(error),
          });
        }
        return toWire(error);
      } finally {
        cancelled.dispose();
        closed.dispose();
      }
    });
  }

  notify<C extends AnyNotification>(contract: C, params: ParamsOf<C>): void {
    if (this.#hasEnded) return;
    this.#connection.sendNotification(contract.method, params).catch(() => undefined);
  }

  onNotification<C extends AnyNotification>(
    contract: C,
    listener: (params: ParamsOf<C>) => void,
  ): Disposable {
    const registration = this.#connection.onNotification(contract.method, (raw: unknown) => {
      const parsed = v.safeParse(contract.params, raw);
      if (parsed.success) listener(parsed.output as ParamsOf<C>);
      else this.#logger.log('warn', 'notification not understood', { method: contract.method });
    });
    return toDisposable(() => registration.dispose());
  }

  dispose(): void {
    if (!this.#isClosed) this.#connection.end();
    this.#connection.dispose();
  }
}

/** One line that names the field and what is wrong with it, for each issue. */
export function describeIssues(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues
    .map((issue) => {
      const path = v.getDotPath(issue);
      return path === null ? issue.message : `${path}: ${issue.message}`;
    })
    .join('; ');
}

function linkLost(cause?: unknown): FlickError {
  return new FlickError('linkLost', 'The connection to the agent was lost.', {
    remedy: 'Flick reconnects by itself; try again when the device is connected.',
    cause,
  });
}

function isFlickError(error: ResponseError<unknown>): boolean {
  return v.is(errorData, error.data);
}

function toWire(error: unknown): ResponseError<unknown> {
  const flick =
    error instanceof FlickError
      ? error
      : new FlickError('internal', `The agent failed: ${messageOf(error)}`, {
          remedy: 'The agent’s log says more (flick doctor DEVICE shows where it is).',
        });
  return new ResponseError(flickErrorCode, flick.message, flick.toData());
}

function fromWire(method: string, error: unknown): FlickError {
  if (error instanceof ResponseError) {
    const data = v.safeParse(errorData, error.data);
    if (data.success) return FlickError.fromData(data.output);
  }
  if (error instanceof v.ValiError) {
    return new FlickError(
      'internal',
      `The agent’s answer to ${method} was not understood: ${describeIssues(error.issues)}`,
    );
  }
  return new FlickError('internal', `The request ${method} failed: ${messageOf(error)}`, {
    cause: error,
  });
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
