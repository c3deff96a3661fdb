import type { Duplex } from 'node:stream';
import { DisposableStore, type Disposable } from '../common/disposable.ts';
import { Emitter } from '../common/event.ts';
import { messageOf } from '../common/rpc.ts';
import {
  openTerminal,
  resizeTerminal,
  type ExitStatus,
  type TerminalSize,
} from '../protocol/index.ts';
import type { Device } from './device.ts';
import type { Fleet } from './fleet.ts';
import { isPresent, placesOf, surveyProcesses, type FoundProcess } from './processSearch.ts';

export type TerminalState =
  | { readonly kind: 'attached'; readonly device: Device }
  /** The process is on its way from one device to another. */
  | { readonly kind: 'moving' }
  /** The device that has the process cannot be reached; `why` is a sentence. */
  | { readonly kind: 'waiting'; readonly why: string }
  | { readonly kind: 'ended'; readonly exit: ExitStatus };

export interface TerminalOptions {
  readonly size?: TerminalSize | undefined;
  /** Begin at this offset of the output in bytes; by default with all that is kept. */
  readonly fromOffset?: number | undefined;
  /** Also connect to devices that nobody has connected to, to find a process that somebody else moved. */
  readonly connectAll?: boolean | undefined;
  /** Awaited after each piece of output: what takes the output holds the process back while this is pending. */
  readonly drained?: (() => Promise<void>) | undefined;
}

/** How long a process may be nowhere while all devices answer, in ms: the source forgets it as the target takes it. */
const nowhereTimeout = 10_000;
/** How often the devices are asked again while nothing was heard, in ms: other clients' moves may go unannounced. */
const askAgain = 3_000;
/** Input that is kept while the process is on its way, in bytes. */
const maxPendingInput = 1 << 16;

/**
 * A viewer of a process's terminal that stays attached wherever the process goes: every byte of output is delivered
 * once and in order, input given on the way is delivered on arrival.
 */
export class TerminalSession implements Disposable {
  readonly #fleet: Fleet;
  readonly #id: string;
  readonly #options: TerminalOptions;
  readonly #store = new DisposableStore();
  readonly #output = this.#store.add(new Emitter<Buffer>());
  readonly #skipped = this.#store.add(new Emitter<number>());
  readonly #stateChanged = this.#store.add(new Emitter<TerminalState>());
  readonly #watched = new Set<Device>();
  readonly #stop = new AbortController();
  #device: Device;
  #state: TerminalState = { kind: 'waiting', why: 'Attaching to the process.' };
  #stream: Duplex | undefined;
  #size: TerminalSize | undefined;
  /** Offset in the process's output of the next byte that we have not seen; undefined before the first stream. */
  #offset: number | undefined;
  #pendingInput: Buffer[] = [];
  #wake: (() => void) | undefined;

  /** What the process writes, from the kept beginning on. */
  readonly onOutput = this.#output.event;
  /** Bytes of output that the device no longer had. */
  readonly onDidSkip = this.#skipped.event;
  readonly onDidChangeState = this.#stateChanged.event;

  /** @param device where the process was last seen */
  constructor(fleet: Fleet, device: Device, id: string, options: TerminalOptions = {}) {
    this.#fleet = fleet;
    this.#device = device;
    this.#id = id;
    this.#options = options;
    this.#size = options.size;
    this.#offset = options.fromOffset;
  }

  get state(): TerminalState {
    return this.#state;
  }

  /** Offset in the output up to which everything has been delivered, in bytes. */
  get offset(): number {
    return this.#offset ?? 0;
  }

  /** Begins to deliver output, once; subscribe first. */
  start(): void {
    if (this.#watched.size > 0 || this.#store.isDisposed) return;
    this.#watchDevices();
    this.#store.add(this.#fleet.onDidChangeDevices(() => this.#watchDevices()));
    void this.#run();
  }

  /** Resolves with the exit status when the process has ended; never when the session is disposed first. */
  async ended(): Promise<ExitStatus> {
    if (this.#state.kind === 'ended') return this.#state.exit;
    return new Promise((resolve) => {
      this.#store.add(
        this.onDidChangeState((state) => {
          if (state.kind === 'ended') resolve(state.exit);
        }),
      );
    });
  }

  /** Input for the process. */
  write(input: Buffer): void {
    if (this.#stream !== undefined && this.#state.kind === 'attached' && !this.#standsStill()) {
      this.#stream.write(input);
      return;
    }
    const pending = this.#pendingInput.reduce((sum, each) => sum + each.length, 0);
    if (pending + input.length <= maxPendingInput) this.#pendingInput.push(input);
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    if (this.#state.kind !== 'attached') return;
    // A size that did not arrive is sent again with the next stream.
    this.#device.request(resizeTerminal, { id: this.#id, size }).catch(() => undefined);
  }

  dispose(): void {
    this.#stop.abort();
    this.#stream?.destroy();
    this.#wake?.();
    this.#store.dispose();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let place: Device | undefined = this.#device;
    let nowhereSince: number | undefined;
    while (!signal.aborted) {
      if (place !== undefined) await this.#follow(place);
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
        const { state, exit } = at.process;
        if (state === 'running' || state === 'stopped') {
          place = at.device;
        } else if (state === 'exited' || state === 'lost') {
          await this.#drain(at);
          this.#setState({ kind: 'ended', exit: exit ?? { exitCode: null, signal: null } });
          return;
        } else {
          this.#setState({ kind: 'moving' });
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
          this.#setState({ kind: 'moving' });
        }
      }
      // A place that has just been found is tried at once, unless its stream keeps breaking.
      await this.#pause(place === undefined ? askAgain : 20);
    }
  }

  /** Delivers what comes out of the terminal there until the stream ends; at once when there is none to be had. */
  async #follow(device: Device): Promise<void> {
    let stream: Duplex;
    try {
      await device.connect();
      stream = await this.#open(device, true);
    } catch {
      // Where the process is instead, or why its device is away, is found out by asking all of them.
      return;
    }
    if (this.#stop.signal.aborted) {
      stream.destroy();
      return;
    }
    this.#device = device;
    this.#stream = stream;
    this.#setState({ kind: 'attached', device });
    this.#flushInput();
    await this.#deliver(stream);
    this.#stream = undefined;
  }

  /**
   * A process that has been frozen to be moved reads nothing any more, and what its terminal holds unread stays behind:
   * input waits here for the device on which it goes on.
   */
  #standsStill(): boolean {
    const process = this.#device.processes.find((each) => each.id === this.#id);
    const step = process?.state === 'moving' ? process.movement?.step : undefined;
    return step !== undefined && step !== 'check' && step !== 'copy';
  }

  #flushInput(): void {
    if (this.#stream === undefined || this.#standsStill()) return;
    for (const input of this.#pendingInput.splice(0)) this.#stream.write(input);
  }

  async #open(device: Device, follow: boolean): Promise<Duplex> {
    const { ticket, offset } = await device.request(openTerminal, {
      id: this.#id,
      follow,
      ...(this.#offset === undefined ? {} : { fromOffset: this.#offset }),
      ...(this.#size === undefined || !follow ? {} : { size: this.#size }),
    });
    const stream = await device.openStream(ticket);
    if (this.#offset !== undefined && offset > this.#offset)
      this.#skipped.fire(offset - this.#offset);
    this.#offset = offset;
    return stream;
  }

  async #deliver(stream: Duplex): Promise<void> {
    try {
      for await (const chunk of stream) {
        if (!Buffer.isBuffer(chunk) || this.#stop.signal.aborted) continue;
        this.#offset = (this.#offset ?? 0) + chunk.length;
        this.#output.fire(chunk);
        await this.#options.drained?.();
      }
    } catch {
      // A stream that breaks is opened again behind the last byte that arrived.
    } finally {
      stream.destroy();
    }
  }

  /** The last output of a process that has ended. */
  async #drain({ device }: FoundProcess): Promise<void> {
    try {
      await this.#deliver(await this.#open(device, false));
    } catch {
      // What was kept of it is gone with its device; the exit status is known all the same.
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
      this.#store.add(device.onDidChangeState(() => this.#wake?.()));
      this.#store.add(
        device.onDidChangeProcesses(() => {
          this.#flushInput();
          this.#wake?.();
        }),
      );
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  #setState(state: TerminalState): void {
    const same =
      state.kind === this.#state.kind &&
      !(
        state.kind === 'attached' &&
        this.#state.kind === 'attached' &&
        state.device !== this.#state.device
      );
    this.#state = state;
    if (!same) this.#stateChanged.fire(state);
  }
}
