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
import type { DeviceLink, Reboot } from './link.ts';
import type { Transport } from './transports/transport.ts';
import { TransportError } from './transports/transportError.ts';

/**
 * How often a device that has let us in before may refuse us before a person is asked: while it starts or goes down, a
 * device refuses the logins of ordinary users (pam_nologin(8)).
 */
const refusalsToSitOut = 8;

/** Keeps the control connection to one agent up for as long as somebody wants it. */
export class ReconnectingLink implements DeviceLink {
  readonly #transport: Transport;
  readonly #agentFile: AgentFile;
  readonly #logger: Logger;
  readonly #changed = new Emitter<ConnectionState>();
  readonly #backoff = new Backoff();
  readonly #rebooted = new Emitter<Reboot>();
  readonly onDidChangeState = this.#changed.event;
  readonly onDidReboot = this.#rebooted.event;
  #state: ConnectionState = { kind: 'disconnected' };
  #peer: RpcPeer | undefined;
  #hello: AgentHello | undefined;
  #attempt: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wanted = false;
  #refusals = 0;
  /** Why the link below broke, for the message. */
  #lossCause: Error | undefined;

  constructor(options: {
    readonly transport: Transport;
    readonly agentFile: AgentFile;
    readonly logger: Logger;
  }) {
    this.#transport = options.transport;
    this.#agentFile = options.agentFile;
    this.#logger = options.logger;
    this.#transport.onDidClose((cause) => {
      this.#lossCause = cause;
      this.#lost(this.#peer);
    });
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
    if (this.#attempt !== undefined) {
      // Disconnected and wanted again while an attempt was under way: that one is as good as another.
      this.#step({ kind: 'connect' });
    }
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
    this.#rebooted.dispose();
  }

  async #connect(): Promise<void> {
    this.#step({ kind: 'connect' });
    try {
      const hello = await this.#transport.ensureAgent(this.#agentFile, () =>
        this.#step({ kind: 'install' }),
      );
      refuseOthers(hello, this.#transport.label);
      const stream = await this.#transport.connect();
      // From here on the peer sees failures; until then `greet` does.
      stream.on('error', () => undefined);
      let agent: AgentHello;
      try {
        agent = await greet(stream);
        if (!this.#wanted) {
          throw new FlickError('cancelled', 'The connection was not wanted any more.');
        }
      } catch (error) {
        stream.destroy();
        throw error;
      }
      const previousBootId = this.#hello?.bootId;
      this.#hello = agent;
      this.#follow(new RpcPeer(stream, this.#logger));
      const { bootId } = agent;
      if (previousBootId !== undefined && previousBootId !== bootId) {
        this.#rebooted.fire({ previousBootId, bootId });
      }
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  #follow(peer: RpcPeer): void {
    this.#peer = peer;
    this.#backoff.reset();
    this.#refusals = 0;
    this.#lossCause = undefined;
    peer.onDidClose(() => this.#lost(peer));
    this.#step({ kind: 'established' });
  }

  /** Comes from the stream and from the link below it, in either order. */
  #lost(peer: RpcPeer | undefined): void {
    if (peer === undefined || this.#peer !== peer) return;
    this.#peer = undefined;
    const why = this.#lossCause === undefined ? '' : `: ${messageOf(this.#lossCause)}`;
    this.#failed(
      new TransportError('closed', `The connection was lost${why}.`, { cause: this.#lossCause }),
    );
    peer.dispose();
  }

  #failed(error: unknown): void {
    if (!this.#wanted) return;
    const described = describe(error);
    this.#logger.log('info', 'not connected', {
      device: this.#transport.label,
      why: described.message,
    });
    if (needsPerson(error) && !this.#sitsOut(error)) {
      this.#step({ kind: 'failed', error: described, attempt: this.#backoff.attempt });
      return;
    }
    const retryInMs = this.#backoff.next();
    this.#timer = setTimeout(() => this.retryNow(), retryInMs);
    // Waiting for a device keeps no program alive that has nothing else to do.
    this.#timer.unref();
    this.#step({ kind: 'failed', error: described, attempt: this.#backoff.attempt, retryInMs });
  }

  #sitsOut(error: unknown): boolean {
    const isRefusal =
      error instanceof TransportError && (error.reason === 'auth' || error.reason === 'noShell');
    if (!isRefusal || this.#hello === undefined) return false;
    this.#refusals += 1;
    return this.#refusals <= refusalsToSitOut;
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
