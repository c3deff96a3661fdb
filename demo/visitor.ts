import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** How often the visitor asks, and how long it waits for an answer before it tries the other device, in ms. */
const interval = 10;
const patience = 50;

export interface Visit {
  /** Wall clock, ms since 1970. */
  readonly at: number;
  readonly visitors: number;
}

/** Asks the server again and again, at whichever address it answers, and remembers when it did. */
export class Visitor {
  readonly visits: Visit[] = [];
  readonly #addresses: readonly string[];
  #address = 0;
  #running = true;
  readonly #done: Promise<void>;

  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  /** Waits for the first visit after a moment. */
  async visited(after: number): Promise<Visit> {
    for (let tries = 0; tries < 1000; tries += 1) {
      const visit = this.visits.find(({ at }) => at > after);
      if (visit !== undefined) return visit;
      await delay(interval);
    }
    throw new Error('The server answered no more.');
  }

  /** The longest time between two answers in a span of the wall clock, in ms: the pause that a user would feel. */
  longestGap(from: number, to: number): number {
    const within = this.visits.filter(({ at }) => at >= from - 1000 && at <= to);
    let longest = 0;
    for (let index = 1; index < within.length; index += 1) {
      longest = Math.max(longest, (within[index]?.at ?? 0) - (within[index - 1]?.at ?? 0));
    }
    return longest;
  }

  /** True when every answer counted on from the one before: no visitor was forgotten. */
  get isUnbroken(): boolean {
    return this.visits.every(
      ({ visitors }, index) => index === 0 || visitors > (this.visits[index - 1]?.visitors ?? 0),
    );
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const address = this.#addresses[this.#address] ?? '';
      const visitors = await ask(address).catch(() => undefined);
      if (visitors === undefined) this.#address = (this.#address + 1) % this.#addresses.length;
      else this.visits.push({ at: Date.now(), visitors });
      await delay(visitors === undefined ? 1 : interval);
    }
  }
}

async function ask(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(
      { host: address, port: 8080, timeout: patience, agent: false },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('error', reject);
        response.on('end', () => {
          const match = /"visitors":(\d+)/.exec(body);
          if (match === null) reject(new Error('an incomplete answer'));
          else resolve(Number(match[1]));
        });
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  });
}
