import type { Duplex } from 'node:stream';
import type { DebuggeeLink, LinkState } from '../common/debuggee.ts';
import { DisposableStore } from '../common/disposable.ts';
import { Emitter } from '../common/event.ts';
import { attachDebugger, FlickError, type Debuggee, type ErrorReason } from '../protocol/index.ts';
import type { Device } from './device.ts';
import type { Fleet } from './fleet.ts';
import { ProcessFollower } from './processFollower.ts';

/** Failures that pass: the process is on its way, or its device out of reach for the moment. */
const passing: readonly ErrorReason[] = [
  'busy',
  'linkLost',
  'noSuchProcess',
  'processGone',
  'inDoubt',
];

/** A line to the debug runtime in one process, wherever the process goes. */
export class DebugLink implements DebuggeeLink {
  readonly #id: string;
  readonly #store = new DisposableStore();
  readonly #opened = this.#store.add(new Emitter<Duplex>());
  readonly #stateChanged = this.#store.add(new Emitter<LinkState>());
  readonly #follower: ProcessFollower;
  #innerPid: number | undefined;
  #state: LinkState = { kind: 'waiting', why: 'Attaching to the process.' };
  #stream: Duplex | undefined;

  /** A stream whose other end is the runtime; nothing has been read or written. */
  readonly onDidOpen = this.#opened.event;
  readonly onDidChangeState = this.#stateChanged.event;

  /**
   * @param device where the process was last seen
   * @param innerPid which Node.js process of the tree; the first one by default, and the same one ever after
   */
  constructor(fleet: Fleet, device: Device, id: string, innerPid: number | undefined) {
    this.#id = id;
    this.#innerPid = innerPid;
    const follow = (at: Device, attached: () => void): Promise<void> => this.#follow(at, attached);
    this.#follower = this.#store.add(
      new ProcessFollower(fleet, device, id, { follow }, { connectAll: true }),
    );
    this.#follower.onDidChangeState((state) => {
      // That it is attached is said with the process that it is attached to.
      if (state.kind !== 'attached') this.#setState(state);
    });
  }

  get state(): LinkState {
    return this.#state;
  }

  start(): void {
    this.#follower.start();
  }

  dispose(): void {
    this.#store.dispose();
    this.#stream?.destroy();
  }

  async #follow(device: Device, attached: () => void): Promise<void> {
    let stream: Duplex;
    let debuggee: Debuggee;
    try {
      const answer = await device.request(attachDebugger, {
        id: this.#id,
        ...(this.#innerPid === undefined ? {} : { innerPid: this.#innerPid }),
      });
      debuggee = answer.debuggee;
      stream = await device.openStream(answer.ticket);
    } catch (error) {
      if (error instanceof FlickError && !passing.includes(error.reason)) {
        this.#setState({ kind: 'refused', error });
        this.#follower.dispose();
      }
      return;
    }
    if (this.#follower.signal.aborted) {
      stream.destroy();
      return;
    }
    this.#innerPid = debuggee.innerPid;
    this.#stream = stream;
    const closed = new Promise((resolve) => stream.once('close', resolve));
    attached();
    this.#setState({
      kind: 'attached',
      place: { device: device.name, isLocal: device.isLocal, debuggee },
    });
    this.#opened.fire(stream);
    await closed;
    this.#stream = undefined;
  }

  #setState(state: LinkState): void {
    this.#state = state;
    this.#stateChanged.fire(state);
  }
}
