import { Backoff } from '../common/backoff.ts';
import { Emitter } from '../common/event.ts';
import type { Logger } from '../common/logger.ts';
import { greet } from '../common/preamble.ts';
import { RpcPeer, messageOf } from '../common/rpc.ts';
import type { AgentHello } from '../protocol/index.ts';
import type { AgentFile } from './agentFile.ts';
import type { ConnectionState } from './connectionState.ts';
import type { DeviceLink } from './link.ts';
import type { Transport } from './transports/transport.ts';

export class ReconnectingLink implements DeviceLink {
  readonly #options: {
    readonly transport: Transport;
    readonly agentFile: AgentFile;
    readonly logger: Logger;
  };
  readonly #changed = new Emitter<ConnectionState>();
  readonly #backoff = new Backoff();
  readonly onDidChangeState = this.#changed.event;
  state: ConnectionState = { kind: 'disconnected' };
  peer: RpcPeer | undefined;
  hello: AgentHello | undefined;
  #attempt: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wanted = false;

  constructor(options: { transport: Transport; agentFile: AgentFile; logger: Logger }) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    this.#wanted = true;
    if (this.peer !== undefined) return;
    clearTimeout(this.#timer);
    this.#attempt ??= this.#connect().finally(() => (this.#attempt = undefined));
    return this.#attempt;
  }

  disconnect(): void {
    this.#wanted = false;
    clearTimeout(this.#timer);
    const { peer } = this;
    this.peer = undefined;
    peer?.dispose();
    this.#set({ kind: 'disconnected' });
  }

  retryNow(): void {
    void this.connect().catch(() => undefined);
  }

  dispose(): void {
    this.disconnect();
    this.#changed.dispose();
  }

  async #connect(): Promise<void> {
    this.#set({ kind: 'connecting' });
    try {
      const { transport, agentFile, logger } = this.#options;
      await transport.ensureAgent(agentFile);
      const stream = await transport.connect();
      this.hello = await greet(stream);
      const peer = new RpcPeer(stream, logger);
      this.peer = peer;
      this.#backoff.reset();
      peer.onDidClose(() => {
        if (this.peer !== peer) return;
        this.peer = undefined;
        this.#wait(new Error('The connection was lost.'));
      });
      this.#set({ kind: 'connected' });
    } catch (error) {
      this.#wait(error);
      throw error;
    }
  }

  #wait(error: unknown): void {
    if (!this.#wanted) return;
    const ms = this.#backoff.next();
    this.#timer = setTimeout(() => this.retryNow(), ms);
    this.#set({
      kind: 'waiting',
      untilMs: Date.now() + ms,
      attempt: this.#backoff.attempt,
      error: { message: messageOf(error) },
    });
  }

  #set(state: ConnectionState): void {
    this.state = state;
    this.#changed.fire(state);
  }
}
