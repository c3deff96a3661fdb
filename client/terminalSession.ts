import type { Duplex } from 'node:stream';
import { DisposableStore, type Disposable } from '../common/disposable.ts';
import { Emitter, type Event } from '../common/event.ts';
import {
  openTerminal,
  resizeTerminal,
  type ExitStatus,
  type TerminalSize,
} from '../protocol/index.ts';
import type { Device } from './device.ts';
import type { Fleet } from './fleet.ts';
import { ProcessFollower, type FollowState } from './processFollower.ts';
import type { FoundProcess } from './processSearch.ts';

export interface TerminalOptions {
  readonly size?: TerminalSize | undefined;
  /** Begin at this offset of the output in bytes; by default with all that is kept. */
  readonly fromOffset?: number | undefined;
  /** Also connect to devices that nobody has connected to, to find a process that somebody else moved. */
  readonly connectAll?: boolean | undefined;
  /** Awaited after each piece of output: what takes the output holds the process back while this is pending. */
  readonly drained?: (() => Promise<void>) | undefined;
}

/** Input that is kept while the process is on its way, in bytes. */
const maxPendingInput = 1 << 16;

/**
 * A viewer of a process's terminal that stays attached wherever the process goes: every byte of output is delivered
 * once and in order, input given on the way is delivered on arrival.
 */
export class TerminalSession implements Disposable {
  readonly #id: string;
  readonly #options: TerminalOptions;
  readonly #store = new DisposableStore();
  readonly #output = this.#store.add(new Emitter<Buffer>());
  readonly #skipped = this.#store.add(new Emitter<number>());
  readonly #follower: ProcessFollower;
  #stream: Duplex | undefined;
  #size: TerminalSize | undefined;
  /** Offset in the process's output of the next byte that we have not seen; undefined before the first stream. */
  #offset: number | undefined;
  #pendingInput: Buffer[] = [];

  /** What the process writes, from the kept beginning on. */
  readonly onOutput = this.#output.event;
  /** Bytes of output that the device no longer had. */
  readonly onDidSkip = this.#skipped.event;
  readonly onDidChangeState: Event<FollowState>;

  /** @param device where the process was last seen */
  constructor(fleet: Fleet, device: Device, id: string, options: TerminalOptions = {}) {
    this.#id = id;
    this.#options = options;
    this.#size = options.size;
    this.#offset = options.fromOffset;
    const follower = {
      follow: (at: Device, attached: () => void) => this.#follow(at, attached),
      ended: (at: FoundProcess) => this.#drain(at),
      heard: () => this.#flushInput(),
    };
    const { connectAll } = options;
    this.#follower = this.#store.add(
      new ProcessFollower(fleet, device, id, follower, { connectAll }),
    );
    this.onDidChangeState = this.#follower.onDidChangeState;
  }

  get state(): FollowState {
    return this.#follower.state;
  }

  /** Offset in the output up to which everything has been delivered, in bytes. */
  get offset(): number {
    return this.#offset ?? 0;
  }

  /** Begins to deliver output, once; subscribe first. */
  start(): void {
    this.#follower.start();
  }

  /** Resolves with the exit status when the process has ended; never when the session is disposed first. */
  async ended(): Promise<ExitStatus> {
    if (this.state.kind === 'ended') return this.state.exit;
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
    if (this.#stream !== undefined && this.state.kind === 'attached' && !this.#standsStill()) {
      this.#stream.write(input);
      return;
    }
    const pending = this.#pendingInput.reduce((sum, each) => sum + each.length, 0);
    if (pending + input.length <= maxPendingInput) this.#pendingInput.push(input);
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    if (this.state.kind !== 'attached') return;
    // A size that did not arrive is sent again with the next stream.
    this.#follower.device.request(resizeTerminal, { id: this.#id, size }).catch(() => undefined);
  }

  dispose(): void {
    this.#store.dispose();
    this.#stream?.destroy();
  }

  /** Delivers what comes out of the terminal there until the stream ends. */
  async #follow(device: Device, attached: () => void): Promise<void> {
    const stream = await this.#open(device, true);
    if (this.#follower.signal.aborted) {
      stream.destroy();
      return;
    }
    this.#stream = stream;
    attached();
    this.#flushInput();
    await this.#deliver(stream);
    this.#stream = undefined;
  }

  /**
   * A process that has been frozen to be moved reads nothing any more, and what its terminal holds unread stays behind:
   * input waits here for the device on which it goes on. So it does when it has left, before the stream has ended.
   */
  #standsStill(): boolean {
    const process = this.#follower.device.processes.find((each) => each.id === this.#id);
    if (process === undefined) return true;
    const step = process.state === 'moving' ? process.movement?.step : undefined;
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
        if (!Buffer.isBuffer(chunk) || this.#follower.signal.aborted) continue;
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
}
