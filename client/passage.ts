import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../common/backoff.ts';
import { DisposableStore, type Disposable } from '../common/disposable.ts';
import type { Logger } from '../common/logger.ts';
import { messageOf } from '../common/rpc.ts';
import {
  abandonLink,
  FlickError,
  meetPeer,
  relayHandoff,
  type LinkOffer,
} from '../protocol/index.ts';
import type { Device } from './device.ts';
import { relay, type Relay } from './relay.ts';

/** How the agents of a move are connected: without this client, or through it. */
export type Way = 'direct' | 'relayed';

/** The connection of the two agents of a move, as far as this client has a part in it. */
export interface Passage extends Disposable {
  readonly way: Way;
  /** Bytes that went from the source to the target through this client. */
  readonly relayedBytes: number;
}

/** One side of a move and what its agent says of how to reach it. */
export interface Side {
  readonly device: Device;
  readonly offer: LinkOffer;
}

interface Meeting {
  readonly handoff: string;
  readonly source: Side;
  readonly target: Side;
  readonly logger: Logger;
}

/** How long the streams of a finished move may take to end by themselves, in ms. */
const ownEnd = 2_000;

/**
 * Introduces two agents to each other: each tries to reach the other, and where neither can, their link goes through
 * this client.
 * @throws {FlickError} when an agent does not know the move or cannot be asked
 */
export async function bringTogether(meeting: Meeting): Promise<Passage> {
  const { handoff, source, target } = meeting;
  const reaches = async (side: Side, peer: Side): Promise<boolean> => {
    try {
      return (await side.device.request(meetPeer, { handoff, peer: peer.offer, dial: true }))
        .connected;
    } catch (error) {
      // It may be connected or not: a link through us serves in both cases.
      if (error instanceof FlickError && error.reason === 'linkLost') return false;
      throw error;
    }
  };
  await target.device.request(meetPeer, { handoff, peer: source.offer, dial: false });
  if (await reaches(source, target)) return new DirectPassage(meeting, source, target);
  if (await reaches(target, source)) return new DirectPassage(meeting, target, source);
  const passage = new RelayedPassage(meeting);
  await passage.open();
  return passage;
}

/** Joins two agents of which one knows no links: if a stream breaks, so does the move. */
export async function joinOnce(
  source: Device,
  leaving: string,
  target: Device,
  arriving: string,
): Promise<Passage> {
  const targetStream = await target.openStream(arriving);
  const sourceStream = await source.openStream(leaving).catch((error: unknown) => {
    targetStream.destroy();
    throw error;
  });
  const joined = relay(sourceStream, targetStream);
  return {
    way: 'relayed',
    get relayedBytes() {
      return joined.forwardBytes;
    },
    dispose: () => disposeSoon(joined),
  };
}

/** What is left of the streams ends by itself; a stream that does not must not keep us. */
function disposeSoon(joined: Relay): void {
  const timer = setTimeout(() => joined.dispose(), ownEnd);
  timer.unref();
  void joined.done.then(() => clearTimeout(timer));
}

/** The agents need nobody; only when one of them is started anew the other learns it here before it has waited in vain. */
class DirectPassage implements Passage {
  readonly way = 'direct';
  readonly relayedBytes = 0;
  readonly #store = new DisposableStore();

  constructor(meeting: Meeting, dialler: Side, listener: Side) {
    const { handoff } = meeting;
    const sides = [
      { side: dialler, peer: listener, dial: true },
      { side: listener, peer: dialler, dial: false },
    ];
    for (const { side, peer, dial } of sides) {
      let connected = true;
      this.#store.add(
        side.device.onDidChangeState(({ kind }) => {
          const was = connected;
          connected = kind === 'connected';
          if (!connected || was) return;
          side.device
            .request(meetPeer, { handoff, peer: peer.offer, dial })
            .catch((error: unknown) => tellForgotten(meeting, error, peer.device));
        }),
      );
    }
  }

  dispose(): void {
    this.#store.dispose();
  }
}

/** Carries the agents' bytes, and is there again when a connection to one of them was lost and has come back. */
class RelayedPassage implements Passage {
  readonly way = 'relayed';
  readonly #meeting: Meeting;
  readonly #backoff = new Backoff(200, 2_000);
  #current: Relay | undefined;
  #before = 0;
  #isOver = false;

  constructor(meeting: Meeting) {
    this.#meeting = meeting;
  }

  get relayedBytes(): number {
    return this.#before + (this.#current?.forwardBytes ?? 0);
  }

  /** @throws when the first joining fails */
  async open(): Promise<void> {
    const first = await this.#join();
    void this.#keep(first);
  }

  dispose(): void {
    this.#isOver = true;
    if (this.#current !== undefined) disposeSoon(this.#current);
  }

  async #keep(first: Relay): Promise<void> {
    let joined: Relay | undefined = first;
    while (joined !== undefined) {
      await joined.done;
      this.#before += joined.forwardBytes;
      this.#current = undefined;
      joined = await this.#rejoin();
    }
  }

  async #rejoin(): Promise<Relay | undefined> {
    while (!this.#isOver) {
      try {
        const joined = await this.#join();
        this.#backoff.reset();
        return joined;
      } catch (error) {
        this.#meeting.logger.log('info', 'the devices of a move are not connected', {
          handoff: this.#meeting.handoff,
          why: messageOf(error),
        });
      }
      await delay(this.#backoff.next(), undefined, { ref: false });
    }
    return undefined;
  }

  async #join(): Promise<Relay> {
    const { source, target } = this.#meeting;
    const opened = await Promise.allSettled([
      this.#stream(source.device, target.device),
      this.#stream(target.device, source.device),
    ]);
    const [leaving, arriving] = opened;
    if (leaving.status === 'fulfilled' && arriving.status === 'fulfilled') {
      const joined = relay(leaving.value, arriving.value);
      this.#current = joined;
      if (this.#isOver) joined.dispose();
      return joined;
    }
    for (const each of opened) if (each.status === 'fulfilled') each.value.destroy();
    throw leaving.status === 'rejected'
      ? leaving.reason
      : (arriving as PromiseRejectedResult).reason;
  }

  async #stream(device: Device, peer: Device): Promise<Duplex> {
    const { handoff } = this.#meeting;
    await device.connect();
    try {
      return await device.openStream((await device.request(relayHandoff, { handoff })).ticket);
    } catch (error) {
      tellForgotten(this.#meeting, error, peer);
      throw error;
    }
  }
}

/** An agent that knows nothing of the move was started anew: its peer would wait for it in vain. */
function tellForgotten({ handoff, logger }: Meeting, error: unknown, peer: Device): void {
  if (!(error instanceof FlickError) || error.reason !== 'invalidRequest') return;
  peer.request(abandonLink, { handoff }).catch((failure: unknown) => {
    logger.log('info', 'nobody waits for the link', { handoff, why: messageOf(failure) });
  });
}
