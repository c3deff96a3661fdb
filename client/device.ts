import type { Duplex } from 'node:stream';
import { DisposableStore, toDisposable, type Disposable } from '../common/disposable.ts';
import { Emitter } from '../common/event.ts';
import type { Logger } from '../common/logger.ts';
import { presentTicket } from '../common/preamble.ts';
import { messageOf, type RpcPeer } from '../common/rpc.ts';
import {
  agentStopping,
  capsuleProgress,
  capsulesChanged,
  describeDevice,
  FlickError,
  handoffProgress,
  listProcesses,
  processChanged,
  processRemoved,
  unwatchProcesses,
  watchProcesses,
  type AnyRequest,
  type DeviceDescription,
  type ParamsOf,
  type ProcessInfo,
  type ResultOf,
} from '../protocol/index.ts';
import type { ConnectionState } from './connectionState.ts';
import type { DeviceEntry } from './deviceEntry.ts';
import type { DeviceLink } from './link.ts';
import type { Transport } from './transports/transport.ts';

export type { ConnectionState } from './connectionState.ts';

type WatchMode = 'none' | 'list' | 'metrics';

export interface DeviceParts {
  /** What people call it. */
  readonly name: string;
  /** Its line in the device list; undefined for this machine. */
  readonly entry: DeviceEntry | undefined;
  readonly link: DeviceLink;
  readonly transport: Transport;
  readonly logger: Logger;
}

/** A machine with an agent, as a client sees it: also while it is away, with what was last known of it. */
export class Device implements Disposable {
  readonly name: string;
  readonly isLocal: boolean;
  readonly entry: DeviceEntry | undefined;
  readonly #link: DeviceLink;
  readonly #transport: Transport;
  readonly #logger: Logger;
  readonly #store = new DisposableStore();
  readonly #stateChanged = this.#store.add(new Emitter<ConnectionState>());
  readonly #processesChanged = this.#store.add(new Emitter<void>());
  readonly #rebooted = this.#store.add(new Emitter<readonly ProcessInfo[]>());
  readonly #progress = this.#store.add(new Emitter<ParamsOf<typeof handoffProgress>>());
  readonly #capsulesChanged = this.#store.add(new Emitter<void>());
  readonly #capsuleProgress = this.#store.add(new Emitter<ParamsOf<typeof capsuleProgress>>());
  readonly #watchers = { list: 0, metrics: 0 };
  #peer: RpcPeer | undefined;
  #description: DeviceDescription | undefined;
  #processes: readonly ProcessInfo[] = [];
  #processesSeenAt: number | undefined;
  /** What the agent behind `#peer` was last told, and the telling under way. */
  #watched: WatchMode = 'none';
  #telling: Promise<void> = Promise.resolve();

  /** Fires on every change of {@link state} and {@link description}. */
  readonly onDidChangeState = this.#stateChanged.event;
  readonly onDidChangeProcesses = this.#processesChanged.event;
  /** The device was started anew since it was last connected; with the processes that were lost by it. */
  readonly onDidReboot = this.#rebooted.event;
  /** How far handoffs are in which this device takes part. */
  readonly onHandoffProgress = this.#progress.event;
  /** Capsules were saved or removed there. */
  readonly onDidChangeCapsules = this.#capsulesChanged.event;
  readonly onCapsuleProgress = this.#capsuleProgress.event;

  constructor(parts: DeviceParts) {
    this.name = parts.name;
    this.entry = parts.entry;
    this.isLocal = parts.entry === undefined;
    this.#link = this.#store.add(parts.link);
    this.#transport = this.#store.add(parts.transport);
    this.#logger = parts.logger;
    this.#store.add(
      this.#link.onDidChangeState((state) => {
        this.#adopt();
        this.#stateChanged.fire(state);
      }),
    );
    this.#store.add(this.#link.onDidReboot(() => void this.#sayReboot()));
  }

  get state(): ConnectionState {
    return this.#link.state;
  }

  /** Identity of the agent's home there, see `AgentHello`. @throws {FlickError} `linkLost` before the first connection */
  get deviceId(): string {
    const { hello } = this.#link;
    if (hello === undefined) throw notConnected(this.name);
    return hello.deviceId;
  }

  /** What the device was when it was last asked; undefined until it has been. */
  get description(): DeviceDescription | undefined {
    return this.#description;
  }

  /** The processes as last known: kept while the device is away. Current only while {@link watch}ed. */
  get processes(): readonly ProcessInfo[] {
    return this.#processes;
  }

  /** When {@link processes} were last true, in ms since 1970; undefined before the first answer. */
  get processesSeenAt(): number | undefined {
    return this.#processesSeenAt;
  }

  /**
   * Resolves when connected; the connection is kept up from then on.
   * @throws {TransportError | FlickError} why the first attempt failed; further ones are made where that can help
   */
  async connect(): Promise<void> {
    await this.#link.connect();
    this.#adopt();
  }

  disconnect(): void {
    this.#link.disconnect();
  }

  /** Ends the wait for the next attempt. */
  retryNow(): void {
    this.#link.retryNow();
  }

  /** @throws {FlickError} what the agent reported, or `linkLost` when the device is not connected */
  async request<C extends AnyRequest>(
    contract: C,
    params: ParamsOf<C>,
    signal?: AbortSignal,
  ): Promise<ResultOf<C>> {
    const result = await this.#connectedPeer().request(contract, params, signal);
    if (contract.method === describeDevice.method) {
      this.#description = result as ResultOf<typeof describeDevice>;
      this.#stateChanged.fire(this.state);
    }
    return result;
  }

  /** Asks for the processes once, and remembers them. */
  async listProcesses(signal?: AbortSignal): Promise<readonly ProcessInfo[]> {
    const { processes } = await this.request(listProcesses, {}, signal);
    this.#replaceProcesses(processes);
    return processes;
  }

  /** Opens the bulk stream that a ticket stands for, on a connection of its own. */
  async openStream(ticket: string): Promise<Duplex> {
    this.#connectedPeer();
    const stream = await this.#transport.connect();
    // Whoever uses the stream sees its failure in what they read or write.
    stream.on('error', () => undefined);
    try {
      await presentTicket(stream, ticket);
    } catch (error) {
      stream.destroy();
      throw new FlickError('linkLost', `A stream to ${this.name} failed: ${messageOf(error)}`, {
        cause: error,
      });
    }
    return stream;
  }

  /**
   * Keeps {@link processes} current until disposed, across reconnections too. With `metrics`, the agent samples memory,
   * ports and trees; it does so only while somebody watches in this way.
   */
  watch(options: { readonly metrics: boolean }): Disposable {
    const kind = options.metrics ? 'metrics' : 'list';
    this.#watchers[kind] += 1;
    this.#tellWatch();
    return toDisposable(() => {
      this.#watchers[kind] -= 1;
      this.#tellWatch();
    });
  }

  /** Runs a program on the device and collects what it prints. */
  exec(...parameters: Parameters<Transport['exec']>): ReturnType<Transport['exec']> {
    return this.#transport.exec(...parameters);
  }

  dispose(): void {
    this.#peer = undefined;
    this.#store.dispose();
  }

  #connectedPeer(): RpcPeer {
    this.#adopt();
    if (this.#peer === undefined) throw notConnected(this.name);
    return this.#peer;
  }

  /** Takes over the link's current connection, once. */
  #adopt(): void {
    const { peer } = this.#link;
    if (peer === this.#peer) return;
    if (this.#peer !== undefined && this.#watched !== 'none') {
      // What was watched was true until the connection went.
      this.#processesSeenAt = Date.now();
    }
    this.#peer = peer;
    this.#watched = 'none';
    if (peer === undefined) return;
    peer.onNotification(processChanged, ({ process }) => this.#putProcess(process));
    peer.onNotification(processRemoved, ({ id }) => this.#dropProcess(id));
    peer.onNotification(handoffProgress, (progress) => this.#progress.fire(progress));
    peer.onNotification(capsulesChanged, () => this.#capsulesChanged.fire());
    peer.onNotification(capsuleProgress, (progress) => this.#capsuleProgress.fire(progress));
    peer.onNotification(agentStopping, ({ why }) => {
      this.#logger.log('info', 'agent stopping', { device: this.name, why });
    });
    this.#tellWatch();
  }

  async #sayReboot(): Promise<void> {
    const before = new Set(this.#processes.filter(isLive).map((each) => each.id));
    try {
      const now = await this.listProcesses();
      this.#rebooted.fire(now.filter((each) => each.state === 'lost' && before.has(each.id)));
    } catch (error) {
      // It is gone again; what is known then is said with the next connection.
      this.#logger.log('info', 'restarted, then gone', {
        device: this.name,
        error: messageOf(error),
      });
    }
  }

  #putProcess(process: ProcessInfo): void {
    const known = this.#processes.some((each) => each.id === process.id);
    this.#replaceProcesses(
      known
        ? this.#processes.map((each) => (each.id === process.id ? process : each))
        : [...this.#processes, process],
    );
  }

  #dropProcess(id: string): void {
    this.#replaceProcesses(this.#processes.filter((each) => each.id !== id));
  }

  #replaceProcesses(processes: readonly ProcessInfo[]): void {
    // Whoever asks again on a change must not be woken by the answer.
    const changed = JSON.stringify(processes) !== JSON.stringify(this.#processes);
    this.#processes = processes;
    this.#processesSeenAt = Date.now();
    if (changed) this.#processesChanged.fire();
  }

  get #wantedWatch(): WatchMode {
    if (this.#watchers.metrics > 0) return 'metrics';
    return this.#watchers.list > 0 ? 'list' : 'none';
  }

  /** One telling at a time, so that a quick change of mind cannot arrive in the wrong order. */
  #tellWatch(): void {
    this.#telling = this.#telling.then(async () => {
      const peer = this.#peer;
      const wanted = this.#wantedWatch;
      if (peer === undefined || peer.isClosed || wanted === this.#watched) return;
      try {
        if (wanted === 'none') {
          await peer.request(unwatchProcesses, {});
        } else {
          const { processes } = await peer.request(watchProcesses, {
            metrics: wanted === 'metrics',
          });
          if (peer === this.#peer) this.#replaceProcesses(processes);
        }
        if (peer === this.#peer) this.#watched = wanted;
        if (wanted !== 'none' && this.#description?.hello.bootId !== this.#link.hello?.bootId) {
          await this.request(describeDevice, {});
        }
      } catch (error) {
        this.#logger.log('warn', 'watching failed', {
          device: this.name,
          error: messageOf(error),
        });
      }
    });
  }
}

function isLive({ state }: ProcessInfo): boolean {
  return state !== 'exited' && state !== 'lost';
}

function notConnected(name: string): FlickError {
  return new FlickError('linkLost', `${name} is not connected.`, {
    remedy: 'Flick reconnects by itself; try again when the device is connected.',
  });
}
