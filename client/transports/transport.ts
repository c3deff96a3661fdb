import type { Duplex, Readable } from 'node:stream';
import type { Disposable } from '../../common/disposable.ts';
import type { Event } from '../../common/event.ts';
import type { AgentHello } from '../../protocol/index.ts';
import type { AgentFile } from '../agentFile.ts';

export interface ExecResult {
  /** `null` when a signal ended the program or the caller aborted it. */
  readonly exitCode: number | null;
  /** The last few million characters, UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  /** Becomes the program's standard input; a stream is read only as fast as the program does. */
  readonly input?: Buffer | Readable | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A way to reach a device. Every method but `dispose` fails with a `TransportError`. */
export interface Transport extends Disposable {
  /** Where it leads, for people: `this machine` or `ssh://root@10.0.0.2:22`. */
  readonly label: string;
  /** The link below is gone, and why if that is known. Never fires after `dispose`; the next call opens the link again. */
  readonly onDidClose: Event<Error | undefined>;
  /** Opens a byte stream to the agent's socket: a new one with back-pressure of its own at every call. */
  connect(): Promise<Duplex>;
  /** Runs a program on the device. An exit status other than 0 is a result, not an error. */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Makes sure that the agent of this client runs there; `progress` tells of steps that take time. */
  ensureAgent(agentFile: AgentFile, progress?: (text: string) => void): Promise<AgentHello>;
}
