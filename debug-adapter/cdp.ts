import type { Protocol } from 'devtools-protocol/types/protocol.js';
import type { ProtocolMapping } from 'devtools-protocol/types/protocol-mapping.js';
import type { Event } from '../common/event.ts';
import type { FlickCommands, FlickEvents } from '../protocol/index.ts';

type CdpCommands = ProtocolMapping.Commands;
type CdpEvents = ProtocolMapping.Events;

export type Command = keyof CdpCommands | keyof FlickCommands;
export type CommandParams<M extends Command> = M extends keyof FlickCommands
  ? FlickCommands[M]['params']
  : M extends keyof CdpCommands
    ? CdpCommands[M]['paramsType'] extends []
      ? object
      : NonNullable<CdpCommands[M]['paramsType'][0]>
    : never;
export type CommandResult<M extends Command> = M extends keyof FlickCommands
  ? FlickCommands[M]['result']
  : M extends keyof CdpCommands
    ? CdpCommands[M]['returnType']
    : never;

export type RemoteEvent = keyof CdpEvents | keyof FlickEvents;
export type RemoteEventParams<E extends RemoteEvent> = E extends keyof FlickEvents
  ? FlickEvents[E]
  : E extends keyof CdpEvents
    ? CdpEvents[E] extends [infer P]
      ? P
      : undefined
    : never;

/** The inspector (or the runtime) refused a request; `message` is its own text, for programs and logs. */
export class CdpError extends Error {
  readonly code: number | undefined;

  constructor(message: string, code?: number) {
    super(message);
    this.name = 'CdpError';
    this.code = code;
  }
}

/** The session ended before it answered. */
export class DebuggeeGone extends Error {
  constructor(message = 'The process is not being debugged any more.') {
    super(message);
    this.name = 'DebuggeeGone';
  }
}

/** The inspector of one thread of the process. Requests wait while the process is on its way and happen exactly once. */
export interface CdpThread {
  /** 0 is the main thread. */
  readonly thread: number;
  /**
   * @throws {CdpError} when the inspector refuses
   * @throws {DebuggeeGone} when the session ends first
   * @throws the signal's reason when it is aborted; the request itself may still be carried out
   */
  send<M extends Command>(
    method: M,
    ...args: object extends CommandParams<M>
      ? [params?: CommandParams<M>, signal?: AbortSignal]
      : [params: CommandParams<M>, signal?: AbortSignal]
  ): Promise<CommandResult<M>>;
  on<E extends RemoteEvent>(event: E): Event<RemoteEventParams<E>>;
}

export type { Protocol };
