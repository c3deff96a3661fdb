import { setTimeout as delay } from 'node:timers/promises';
import { DisposableStore, type Disposable } from '../common/disposable.ts';
import { Emitter } from '../common/event.ts';
import { messageOf } from '../common/rpc.ts';
import type { ExitStatus } from '../protocol/index.ts';
import type { Device } from './device.ts';
import type { Fleet } from './fleet.ts';
import { isPresent, placesOf, surveyProcesses, type FoundProcess } from './processSearch.ts';

/** Where a process is, for somebody who is attached to it. */
export type FollowState =
  | { readonly kind: 'attached'; readonly device: Device }
  /** The process is on its way from one device to another; `to` is the name of the other one, when known. */
  | { readonly kind: 'moving'; readonly to: string | undefined }
  /** The device that has the process cannot be reached; `why` is a sentence. */
  | { readonly kind: 'waiting'; readonly why: string }
  | { readonly kind: 'ended'; readonly exit: ExitStatus };

/** What is done at each place. */
export interface Follower {
  /**
   * Attaches to the process there, tells by calling `attached`, and resolves when the attachment is over or could not be
   * made. Where the process is then is found out by asking the devices.
   */
  follow(device: Device, attached: () => void): Promise<void>;
  /** The process has ended on this device; awaited before `ended` is announced. */
  ended?(at: FoundProcess): Promise<void>;
  /** Something was heard of a process or a device. */
  heard?(): void;
}

export interface FollowOptions {
  /** Also connect to devices that nobody has connected to, to find a process that somebody else moved. */
  readonly connectAll?: boolean | undefined;
}

/** How long a process may be nowhere while all devices answer, in ms: the source forgets it as the target takes it. */
const nowhereTimeout = 10_000;
/** How often the devices are asked again while nothing was heard, in ms: other clients' moves may go unannounced. */
const askAgain = 3_000;
/** Pause before a place is tried again where the attachment has just broken, in ms. */
const tryAgain = 20;

/** Follows one process from device to device, whoever moves it, and keeps somebody attached to it. */
export class ProcessFollower implements Disposable {
  readonly #fleet: Fleet;
  readonly #id: string;
  readonly #follower: Follower;
  readonly #options: FollowOptions;
  readonly #store = new DisposableStore();
  readonly #stateChanged = this.#store.add(new Emitter<FollowState>());
  readonly #watched = new Set<Device>();
  readonly #stop = new AbortController();
  #device: Device;
  #state: FollowState = { kind: 'waiting', why: 'Attaching to the process.' };
  #wake: (() => void) | undefined;
  /** Something was heard while nobody paused: the next pause is none. */
  #heard = false;
  /** Attachments in a row that could not be made. */
  #failures = 0;

  readonly onDidChangeState = this.#stateChanged.event;

  /** @param device where the process was last seen */
  constructor(
    fleet: Fleet,
    device: Device,
    id: string,
    follower: Follower,
    options: FollowOptions = {},
  ) {
    this.#fleet = fleet;
    this.#device = device;
    this.#id = id;
    this.#follower = follower;
    this.#options = options;
  }

  get state(): FollowState {
    return this.#state;
  }

  /** The device on which somebody was attached last. */
  get device(): Device {
    return this.#device;
  }

  /** Aborted when the follower is disposed. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Begins, once; subscribe first. */
  start(): void {
    if (this.#watched.size > 0 || this.#store.isDisposed) return;
    this.#watchDevices();
    this.#store.add(this.#fleet.onDidChangeDevices(() => this.#watchDevices()));
    void this.#run();
  }

  dispose(): void {
    this.#stop.abort();
    this.#wake?.();
    this.#store.dispose();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let place: Device | undefined = this.#device;
    let nowhereSince: number | undefined;
    while (!signal.aborted) {
      if (place !== undefined) await this.#attach(place);
      if (signal.aborted) return;
      const { found, silent } = await surveyProcesses(this.#reachable(), {
        signal,
        isEnough: (some) =>
          some.some((each) => each.process.id === this.#id && isPresent(each)) ? 'yes' : 'no',
      });
      if (this.#stop.signal.aborted) return;
      const [at] = placesOf(this.#id, found);
      place = undefined;
      if (at !== undefined) {
        nowhereSince = undefined;
        const { state, exit, movement } = at.process;
        if (state === 'running' || state === 'stopped') {
          place = at.device;
        } else if (state === 'exited' || state === 'lost') {
          await this.#follower.ended?.(at);
          this.#setState({ kind: 'ended', exit: exit ?? { exitCode: null, signal: null } });
          return;
        } else {
          const to = state === 'moving' ? movement?.peer : at.device.name;
          this.#setState({ kind: 'moving', to });
        }
      } else {
        nowhereSince ??= Date.now();
        const [away] = silent;
        if (away !== undefined || this.#someAreAway()) {
          nowhereSince = undefined;
          const name = (away?.device ?? this.#device).name;
          const error = away === undefined ? 'it is not connected.' : messageOf(away.error);
          this.#setState({ kind: 'waiting', why: `${name}: ${error}` });
        } else if (Date.now() - nowhereSince > nowhereTimeout) {
          this.#setState({ kind: 'ended', exit: { exitCode: null, signal: null } });
          return;
        } else {
          this.#setState({ kind: 'moving', to: undefined });
        }
      }
      // A place that has just been found is tried at once, unless what is attached there keeps breaking.
      if (place === undefined) await this.#pause(askAgain);
      else await delay(Math.min(tryAgain * 2 ** this.#failures, askAgain));
    }
  }

  async #attach(device: Device): Promise<void> {
    this.#failures = Math.min(this.#failures + 1, 10);
    try {
      await device.connect();
      if (this.#stop.signal.aborted) return;
      await this.#follower.follow(device, () => {
        this.#device = device;
        this.#failures = 0;
        this.#setState({ kind: 'attached', device });
      });
    } catch {
      // Where the process is instead, or why its device is away, is found out by asking all of them.
    }
  }

  #reachable(): readonly Device[] {
    if (this.#options.connectAll === true) return this.#fleet.devices;
    return this.#fleet.devices.filter((each) => each.state.kind === 'connected');
  }

  #someAreAway(): boolean {
    return this.#fleet.devices.some(
      ({ state }) =>
        state.kind === 'waiting' || state.kind === 'connecting' || state.kind === 'installing',
    );
  }

  /** Wakes the search on anything that may tell where the process is. */
  #watchDevices(): void {
    for (const device of this.#fleet.devices) {
      if (this.#watched.has(device)) continue;
      this.#watched.add(device);
      this.#store.add(device.watch({ metrics: false }));
      this.#store.add(device.onDidChangeState(() => this.#hear()));
      this.#store.add(
        device.onDidChangeProcesses(() => {
          this.#follower.heard?.();
          this.#hear();
        }),
      );
    }
  }

  #hear(): void {
    this.#heard = true;
    this.#wake?.();
  }

  async #pause(ms: number): Promise<void> {
    if (this.#heard) {
      this.#heard = false;
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
    this.#heard = false;
  }

  #setState(state: FollowState): void {
    const before = this.#state;
    this.#state = state;
    if (!isSame(before, state)) this.#stateChanged.fire(state);
  }
}

function isSame(before: FollowState, after: FollowState): boolean {
  if (before.kind === 'attached' && after.kind === 'attached')
    return before.device === after.device;
  // A reason that is told again in other words is no news; a target that has become known is.
  if (before.kind === 'moving' && after.kind === 'moving') {
    return after.to === undefined || before.to === after.to;
  }
  return before.kind === after.kind;
}
