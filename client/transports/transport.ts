import type { Duplex } from 'node:stream';
import type { Disposable } from '../../common/disposable.ts';
import type { Event } from '../../common/event.ts';
import type { AgentHello } from '../../protocol/index.ts';
import type { AgentFile } from '../agentFile.ts';

export interface ExecResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A way to reach a device. */
export interface Transport extends Disposable {
  readonly label: string;
  readonly onDidClose: Event<void>;
  /** Opens a byte stream to the agent's socket. */
  connect(): Promise<Duplex>;
  exec(
    argv: readonly string[],
    options?: { readonly input?: Buffer; readonly signal?: AbortSignal },
  ): Promise<ExecResult>;
  /** Makes sure that the agent of this client runs there. */
  ensureAgent(agentFile: AgentFile, progress?: (text: string) => void): Promise<AgentHello>;
}
