import { Backoff } from '../common/backoff.ts';
import { Emitter } from '../common/event.ts';
import type { Logger } from '../common/logger.ts';
import { greet } from '../common/preamble.ts';
import { RpcPeer, messageOf } from '../common/rpc.ts';
import { FlickError, protocolVersion, type AgentHello } from '../protocol/index.ts';
import type { AgentFile } from './agentFile.ts';
import {
  nextConnectionState,
  type ConnectionError,
  type ConnectionEvent,
  type ConnectionState,
} from './connectionState.ts';
import type { DeviceLink } from './link.ts';
import type { Transport } from './transports/transport.ts';
import { TransportError } from './transports/transportError.ts';

/** Keeps the control connection to one agent up for as long as somebody wants it. */
export class ReconnectingLink implements DeviceLink {
  readonly #transport: Transport;
  readonly #agentFile: AgentFile;
  readonly #logger: Logger;
  readonly #changed = new Emitter<ConnectionState>();
  readonly #backoff = new Backoff();
  readonly onDidChangeState = this.#changed.event;
  #state: ConnectionState = { kind: 'disconnected' };
  #peer: RpcPeer | undefined;
  #hello: AgentHello | undefined;
  #attempt: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wanted = false;

  constructor(options: {
    readonly transport: Transport;
    readonly agentFile: AgentFile;
    readonly logger: Logger;
  }) {
    this.#transport = options.transport;
    this.#agentFile = options.agentFile;
    this.#logger = options.logger;
    this.#transport.onDidClose(() => this.#peer?.dispose());
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get peer(): RpcPeer | undefined {
    return this.#peer;
  }

  get hello(): AgentHello | undefined {
    return this.#hello;
  }

  async connect(): Promise<void> {
    this.#wanted = true;
    if (this.#peer !== undefined) return;
    clearTimeout(this.#timer);
    this.#attempt ??= this.#connect().finally(() => (this.#attempt = undefined));
    return this.#attempt;
  }

  disconnect(): void {
    this.#wanted = false;
    clearTimeout(this.#timer);
    const peer = this.#peer;
    this.#peer = undefined;
    peer?.dispose();
    this.#step({ kind: 'disconnect' });
  }

  retryNow(): void {
    this.connect().catch(() => undefined);
  }

  dispose(): void {
    this.disconnect();
    this.#transport.dispose();
    this.#changed.dispose();
  }

  async #connect(): Promise<void> {
    this.#step({ kind: 'connect' });
    try {
      const hello = await this.#transport.ensureAgent(this.#agentFile, () =>
        this.#step({ kind: 'install' }),
      );
      refuseOthers(hello, this.#transport.label);
      const stream = await this.#transport.connect();
      this.#hello = await greet(stream);
      if (!this.#wanted) {
        stream.destroy();
        throw new FlickError('cancelled', 'The connection was not wanted any more.');
      }
      this.#follow(new RpcPeer(stream, this.#logger));
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  #follow(peer: RpcPeer): void {
    this.#peer = peer;
    this.#backoff.reset();
    peer.onDidClose(() => {
      if (this.#peer !== peer) return;
      this.#peer = undefined;
      this.#failed(new TransportError('closed', 'The connection was lost.'));
    });
    this.#step({ kind: 'established' });
  }

  #failed(error: unknown): void {
    if (!this.#wanted) return;
    const described = describe(error);
    this.#logger.log('info', 'not connected', {
      device: this.#transport.label,
      why: described.message,
    });
    if (needsPerson(error)) {
      this.#step({ kind: 'failed', error: described, attempt: this.#backoff.attempt });
      return;
    }
    const retryInMs = this.#backoff.next();
    this.#timer = setTimeout(() => this.retryNow(), retryInMs);
    // Waiting for a device keeps no program alive that has nothing else to do.
    this.#timer.unref();
    this.#step({ kind: 'failed', error: described, attempt: this.#backoff.attempt, retryInMs });
  }

  #step(event: ConnectionEvent): void {
    const next = nextConnectionState(this.#state, event, Date.now());
    if (next === this.#state) return;
    this.#state = next;
    this.#changed.fire(next);
  }
}

/** An older agent has been replaced by `start`; a newer one serves clients that are newer than we. */
function refuseOthers(hello: AgentHello, label: string): void {
  if (hello.protocol === protocolVersion) return;
  const speaks = `it speaks protocol ${String(hello.protocol)} (Flick ${hello.version}), this Flick ${String(protocolVersion)}`;
  throw hello.protocol > protocolVersion
    ? new FlickError('notSupported', `This Flick is older than the agent on ${label}: ${speaks}.`, {
        remedy: 'Update Flick here to the version that was last used with that device.',
      })
    : new FlickError('notSupported', `The agent on ${label} could not be replaced: ${speaks}.`, {
        remedy: 'Remove it there (flick device agent-remove of the Flick that put it there).',
      });
}

function needsPerson(error: unknown): boolean {
  return error instanceof TransportError ? error.needsPerson : error instanceof FlickError;
}

function describe(error: unknown): ConnectionError {
  const remedy =
    error instanceof TransportError || error instanceof FlickError ? error.remedy : undefined;
  return { message: messageOf(error), remedy };
}
