import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Disposable } from '../../common/disposable.ts';

/** How long a ticket is good for, in ms: a client opens its stream right after it was given one. */
const ticketLifetime = 30_000;

interface Waiting {
  readonly accept: (stream: Duplex) => void;
  readonly timer: NodeJS.Timeout;
}

/** One-time tickets that let a bulk stream find the request that asked for it. */
export class StreamTickets implements Disposable {
  readonly #waiting = new Map<string, Waiting>();

  /** `expire` is called when nobody came for the ticket in time. */
  issue(accept: (stream: Duplex) => void, expire: () => void = () => undefined): string {
    const ticket = randomBytes(16).toString('hex');
    const timer = setTimeout(() => {
      this.#waiting.delete(ticket);
      expire();
    }, ticketLifetime);
    timer.unref();
    this.#waiting.set(ticket, { accept, timer });
    return ticket;
  }

  /** @returns false when there is no such ticket (used, expired, or made up). */
  redeem(ticket: string): ((stream: Duplex) => void) | undefined {
    const waiting = this.#waiting.get(ticket);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(ticket);
    clearTimeout(waiting.timer);
    return waiting.accept;
  }

  dispose(): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
  }
}
