import { hostname } from 'node:os';
import { DisposableStore, type Disposable } from '../common/disposable.ts';
import { Emitter } from '../common/event.ts';
import { silentLogger, type Logger } from '../common/logger.ts';
import { messageOf } from '../common/rpc.ts';
import { FlickError, removeAgent } from '../protocol/index.ts';
import type { AgentFile } from './agentFile.ts';
import { Configuration } from './configuration.ts';
import type { Device } from './device.ts';
import { localName, type DeviceEntry } from './deviceEntry.ts';
import { settleDoubtsOf } from './doubts.ts';
import { makeDevice } from './makeDevice.ts';
import {
  checkMove,
  moveProcess,
  type MoveCheck,
  type MoveOptions,
  type MoveOutcome,
} from './move.ts';
import { MoveNotes, type MoveKeeping } from './moveNotes.ts';
import { Passages } from './passages.ts';
import type { EngineWish } from './engineChoice.ts';
import { findProcess, type FoundProcess } from './processSearch.ts';
import type { Prompter } from './prompter.ts';
import type { Transport } from './transports/transport.ts';

export interface FleetOptions {
  /** The folder of `devices.json`, see {@link flickHome}; also where this machine's agent lives. */
  readonly home: string;
  readonly agentFile: AgentFile;
  readonly prompter: Prompter;
  readonly logger?: Logger | undefined;
  /** How a device is reached, in place of the unix socket and SSH. `entry` is undefined for this machine. */
  readonly createTransport?: ((entry: DeviceEntry | undefined) => Transport) | undefined;
}

/** All devices of one user, and what concerns more than one of them. */
export class Fleet implements Disposable {
  readonly configuration: Configuration;
  readonly #options: FleetOptions;
  readonly #logger: Logger;
  readonly #store = new DisposableStore();
  readonly #devicesChanged = this.#store.add(new Emitter<void>());
  readonly #keeping: MoveKeeping;
  readonly #settling = new Set<Promise<unknown>>();
  #devices: readonly Device[];

  /** The list of {@link devices} or {@link configurationProblem} has changed, here or by another program. */
  readonly onDidChangeDevices = this.#devicesChanged.event;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#keeping = {
      logger: this.#logger,
      notes: new MoveNotes(options.home),
      passages: this.#store.add(new Passages()),
    };
    this.configuration = this.#store.add(new Configuration(options.home));
    this.#devices = [
      this.#make(undefined),
      ...this.configuration.devices.map((each) => this.#make(each)),
    ];
    this.#store.add(this.configuration.onDidChange(() => this.#configurationChanged()));
  }

  /** This machine first, then the others in the order of the list. The objects stay the same while a device is listed. */
  get devices(): readonly Device[] {
    return this.#devices;
  }

  get local(): Device {
    const [local] = this.#devices;
    if (local === undefined) throw new Error('The fleet was disposed.');
    return local;
  }

  /** Why the device list cannot be used, if so; then only this machine is there. */
  get configurationProblem(): FlickError | undefined {
    return this.configuration.problem;
  }

  /** Follows changes of the list by other programs, until the fleet is disposed. */
  watchConfiguration(): void {
    this.#store.add(this.configuration.watch());
  }

  /** @throws {FlickError} `invalidRequest` with the known names */
  device(name: string): Device {
    if (name === localName) return this.local;
    const found = this.#devices.find((each) => each.name === name);
    if (found !== undefined) return found;
    if (this.configurationProblem !== undefined) throw this.configurationProblem;
    const known = this.#devices.map((each) =>
      each.isLocal ? `${localName} (${each.name})` : each.name,
    );
    throw new FlickError('invalidRequest', `There is no device “${name}”.`, {
      remedy: `Known devices: ${known.join(', ')}. Add one with: flick device add NAME ssh://HOST`,
    });
  }

  /** @throws {FlickError} `invalidRequest` when the entry is wrong or its name taken */
  async addDevice(entry: DeviceEntry): Promise<Device> {
    await this.configuration.add(entry);
    return this.device(entry.name);
  }

  /** Forgets a device. Its agent and processes are left as they are. */
  async removeDevice(name: string): Promise<void> {
    const device = this.device(name);
    if (device.isLocal) {
      throw new FlickError('invalidRequest', 'This machine cannot be removed from the list.');
    }
    await this.configuration.remove(device.name);
  }

  /**
   * Finds a process by id or name, asking all devices (or `on`) at once. Devices that cannot be reached are passed over.
   * @throws {FlickError} `ambiguous` when several running processes have the name; `noSuchProcess` with the devices that
   * could not be asked
   */
  async findProcess(
    nameOrId: string,
    options: { readonly on?: Device | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<FoundProcess> {
    const devices = options.on === undefined ? this.#devices : [options.on];
    return findProcess(devices, nameOrId, options.signal);
  }

  /** What both devices say of a move before anything is frozen. */
  async checkMove(
    from: Device,
    id: string,
    to: Device,
    options: { readonly engine?: EngineWish; readonly signal?: AbortSignal } = {},
  ): Promise<MoveCheck> {
    return checkMove(from, id, to, options);
  }

  /**
   * Moves a process, without asking {@link checkMove} first (the agents check by themselves).
   * @throws {FlickError} the error that ended the move: the process then runs on the source. `cancelled` after
   * `signal`; `inDoubt` when the link broke after the release and a device stays out of reach
   */
  async move(
    from: Device,
    id: string,
    to: Device,
    options: MoveOptions = {},
  ): Promise<MoveOutcome> {
    return moveProcess(from, id, to, options, this.#keeping);
  }

  /**
   * Settles interrupted moves of all connected devices (or one) as far as both sides can be asked. Happens by itself
   * whenever a device connects.
   * @returns ids of the processes whose doubt is over
   */
  async settleDoubts(device?: Device): Promise<readonly string[]> {
    const asked = (device === undefined ? this.#devices : [device]).filter(
      (each) => each.state.kind === 'connected',
    );
    const settled = await Promise.all(
      asked.map(async (each) => {
        const others = this.#devices.filter((other) => other !== each);
        return settleDoubtsOf(each, others, this.#keeping).catch((error: unknown) => {
          this.#logger.log('warn', 'doubts not settled', {
            device: each.name,
            error: messageOf(error),
          });
          return [];
        });
      }),
    );
    return settled.flat();
  }

  /**
   * Removes everything that Flick has put on the device, and disconnects.
   * @returns what was removed
   * @throws {FlickError} `busy` while processes run there, unless `force`, which ends them
   */
  async removeAgent(
    device: Device,
    options: { readonly force?: boolean } = {},
  ): Promise<readonly string[]> {
    await device.connect();
    const { removed } = await device.request(removeAgent, { force: options.force ?? false });
    device.disconnect();
    return removed;
  }

  dispose(): void {
    for (const device of this.#devices) device.dispose();
    this.#devices = [];
    this.#store.dispose();
  }

  /** Resolves when what began by itself is over: a program that goes in between leaves sides behind that were not told. */
  async settled(): Promise<void> {
    await Promise.all(this.#settling);
  }

  #settle(): void {
    const work = this.settleDoubts();
    this.#settling.add(work);
    void work.finally(() => this.#settling.delete(work));
  }

  #make(entry: DeviceEntry | undefined): Device {
    const name = entry?.name ?? this.#localName();
    const device = makeDevice(name, entry, { ...this.#options, logger: this.#logger });
    let connected = false;
    device.onDidChangeState((state) => {
      const was = connected;
      connected = state.kind === 'connected';
      // Either side of an interrupted move can be the one that was away.
      if (connected && !was) this.#settle();
    });
    return device;
  }

  /** The host's name, unless a device of the list bears it. */
  #localName(): string {
    const own = hostname();
    const taken = this.configuration.devices.some((each) => each.name === own);
    return own === '' || taken ? localName : own;
  }

  #configurationChanged(): void {
    const { devices: entries, problem } = this.configuration;
    if (problem === undefined) {
      const left = new Map(this.#devices.map((each) => [JSON.stringify(each.entry), each]));
      const next = [this.local];
      for (const entry of entries) {
        const key = JSON.stringify(entry);
        next.push(left.get(key) ?? this.#make(entry));
      }
      const gone = this.#devices.filter((each) => !next.includes(each));
      this.#devices = next;
      this.#devicesChanged.fire();
      for (const device of gone) device.dispose();
    } else {
      // A list that cannot be read for the moment takes no device away.
      this.#devicesChanged.fire();
    }
  }
}
