import { DebugSession, Event, Response } from '@vscode/debugadapter';
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as v from 'valibot';
import { Emitter } from '../../common/event.ts';
import { silentLogger, type Logger } from '../../common/logger.ts';
import { messageOf } from '../../common/rpc.ts';
import { DebuggeeGone } from '../cdp.ts';
import type { DebugHost } from '../../common/debuggee.ts';
import { UserError } from '../userError.ts';
import { breakpointRequests } from './breakpointRequests.ts';
import { capabilities } from './capabilities.ts';
import { Editor } from './editor.ts';
import { evaluateRequests } from './evaluateRequests.ts';
import { exceptionRequests } from './exceptionRequests.ts';
import { fail } from './failures.ts';
import { Lifecycle } from './lifecycle.ts';
import { shiftPositions } from './positions.ts';
import { Cancelled, count, takes, type RequestTable } from './requests.ts';
import { stackRequests } from './stackRequests.ts';
import { steppingRequests } from './steppingRequests.ts';
import { variableRequests } from './variableRequests.ts';

export interface FlickDebugSessionOptions {
  readonly host: DebugHost;
  readonly logger?: Logger;
  /** Folders that the editor has open, when the configuration does not name them. */
  readonly workspaceFolders?: readonly string[];
}

const initializeArguments = v.looseObject({
  linesStartAt1: v.optional(v.boolean(), true),
  columnsStartAt1: v.optional(v.boolean(), true),
  pathFormat: v.optional(
    v.picklist(['path'], 'only plain paths (“path”) can be spoken of'),
    'path',
  ),
});
const cancelArguments = v.looseObject({ requestId: v.exactOptional(count) });

/** Requests that may come before there is anything to debug, or that must not wait for it. */
const immediate: ReadonlySet<string> = new Set([
  'initialize',
  'cancel',
  'launch',
  'attach',
  'disconnect',
]);

/**
 * A debug adapter for a Node.js process that Flick manages, wherever it runs: DAP on one side, the runtime in the process
 * on the other.
 */
export class FlickDebugSession extends DebugSession {
  readonly #logger: Logger;
  readonly #editor: Editor;
  readonly #lifecycle: Lifecycle;
  readonly #requests: RequestTable;
  readonly #running = new Map<number, AbortController>();
  readonly #done = new Emitter<void>();
  /** What the editor adds to positions that count from 1. */
  #shift = { line: 0, column: 0 };

  /** The editor has ended the session or has gone. */
  readonly onDidFinish = this.#done.event;

  constructor({ host, logger = silentLogger, workspaceFolders }: FlickDebugSessionOptions) {
    super();
    this.#logger = logger;
    // The base class would end the whole program at the first message that it cannot read.
    this.removeAllListeners('error');
    this.on('error', (problem: DebugProtocol.Event) => this.#unreadable(String(problem.body)));
    this.#editor = new Editor((event, body) => {
      this.sendEvent(new Event(event, shiftPositions(body, this.#shift)));
    });
    this.#lifecycle = new Lifecycle({
      host,
      editor: this.#editor,
      workspaceFolders: workspaceFolders ?? [process.cwd()],
      onDone: () => this.#finish(),
    });
    const target = (): Lifecycle['target'] => this.#lifecycle.target;
    this.#requests = {
      initialize: takes(initializeArguments, (args) => this.#initialize(args)),
      cancel: takes(cancelArguments, ({ requestId }) => {
        if (requestId !== undefined) this.#running.get(requestId)?.abort(new Cancelled());
      }),
      ...this.#lifecycle.requests,
      ...breakpointRequests(target),
      ...exceptionRequests(target),
      ...stackRequests(target),
      ...steppingRequests(target),
      ...variableRequests(target),
      ...evaluateRequests(target),
    };
  }

  override handleMessage(message: DebugProtocol.ProtocolMessage): void {
    // What arrives is whatever the other end has sent, not what the type says.
    const { type, command, seq } = (message ?? {}) as Partial<DebugProtocol.Request>;
    if (type === 'request' && typeof command === 'string' && typeof seq === 'number') {
      super.handleMessage(message);
    } else if (type !== 'response') {
      this.#unreadable('It is no request.');
    }
  }

  override shutdown(): void {
    this.#finish();
  }

  override dispose(): void {
    this.#lifecycle.dispose();
  }

  protected override dispatchRequest(request: DebugProtocol.Request): void {
    void this.#serve(request);
  }

  async #serve(request: DebugProtocol.Request): Promise<void> {
    const { command, seq } = request;
    const response: DebugProtocol.Response = new Response(request);
    const abort = new AbortController();
    this.#running.set(seq, abort);
    let settle: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => (settle = resolve));
    try {
      const handle = Object.hasOwn(this.#requests, command) ? this.#requests[command] : undefined;
      if (handle === undefined) throw new UserError(`The request “${command}” is not supported.`);
      if (!immediate.has(command)) await this.#lifecycle.whenBegun();
      const args = shiftPositions(request.arguments as unknown, negative(this.#shift));
      const body = await handle(args, { signal: abort.signal, answered });
      if (typeof body === 'object' && body !== null)
        response.body = shiftPositions(body, this.#shift);
    } catch (error) {
      this.#logger.log('debug', `The request ${command} failed.`, { error: messageOf(error) });
      fail(response, this.#explain(error));
    } finally {
      this.#running.delete(seq);
    }
    this.sendResponse(response);
    settle();
  }

  /** A request that the process has forgotten because the link was down for too long. */
  #explain(error: unknown): unknown {
    if (!(error instanceof DebuggeeGone) || this.#lifecycle.hasEnded) return error;
    return new UserError(
      'The process was out of reach for too long and has run on; what was asked of it was dropped.',
    );
  }

  #initialize(args: v.InferOutput<typeof initializeArguments>): DebugProtocol.Capabilities {
    this.#editor.introduce(args as Partial<DebugProtocol.InitializeRequestArguments>);
    this.#shift = { line: args.linesStartAt1 ? 0 : -1, column: args.columnsStartAt1 ? 0 : -1 };
    return capabilities;
  }

  #unreadable(why: string): void {
    this.#logger.log('warn', 'A message of the editor cannot be read.', { why });
    this.#editor.say(`A message of the editor cannot be read and is ignored: ${why}`, 'stderr');
  }

  #finish(): void {
    this.#lifecycle.dispose();
    this.#done.fire();
  }
}

function negative({ line, column }: { readonly line: number; readonly column: number }): {
  line: number;
  column: number;
} {
  return { line: -line, column: -column };
}
