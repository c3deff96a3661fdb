/** One line of a resumable channel. `n` numbers messages from 1 on; `a` is the last number received from the other end. */
export interface Envelope {
  readonly n?: number;
  readonly a: number;
  readonly m?: unknown;
}

/** After so many messages without anything to send, they are acknowledged by a line of their own. */
const acknowledgeEvery = 64;

/**
 * One end of a conversation that outlives its links: every message is delivered exactly once and in order, however often
 * the link under it breaks and is replaced. Pure: lines in, lines out; who owns the stream writes and reads them.
 */
export class ResumableChannel {
  readonly #deliver: (message: unknown) => void;
  #unacknowledged: { readonly n: number; readonly m: unknown }[] = [];
  #sent = 0;
  #received = 0;
  #acknowledged = 0;
  #write: ((line: string) => void) | undefined;

  /** @param deliver takes each message of the other end, once, in order */
  constructor(deliver: (message: unknown) => void) {
    this.#deliver = deliver;
  }

  /** Number of the last message received: what the greeting on a new link tells the other end. */
  get received(): number {
    return this.#received;
  }

  get isLinked(): boolean {
    return this.#write !== undefined;
  }

  /** Messages that the other end has not confirmed. */
  get pending(): number {
    return this.#unacknowledged.length;
  }

  /** Begins to use a link. @param received number of the last message that the other end says it has */
  link(received: number, write: (line: string) => void): void {
    this.#confirm(received);
    this.#write = write;
    for (const { n, m } of this.#unacknowledged) write(this.#line({ n, a: this.#received, m }));
    this.#acknowledged = this.#received;
  }

  /** The link is gone; what is sent waits for the next one. */
  unlink(): void {
    this.#write = undefined;
  }

  /** Starts anew: the other end has forgotten this conversation. Nothing that waited is sent. */
  reset(): void {
    this.#unacknowledged = [];
    this.#sent = 0;
    this.#received = 0;
    this.#acknowledged = 0;
  }

  send(message: unknown): void {
    this.#sent += 1;
    this.#unacknowledged.push({ n: this.#sent, m: message });
    if (this.#write === undefined) return;
    this.#acknowledged = this.#received;
    this.#write(this.#line({ n: this.#sent, a: this.#received, m: message }));
  }

  /** Takes one line that arrived. @throws when it is none of ours or a message is missing: the link is of no use then */
  receive(line: string): void {
    const { n, a, m } = parseEnvelope(line);
    this.#confirm(a);
    if (n === undefined || n <= this.#received) return;
    if (n !== this.#received + 1) throw new Error(`Message ${n} follows ${this.#received}.`);
    this.#received = n;
    this.#deliver(m);
    if (this.#write === undefined || this.#received - this.#acknowledged < acknowledgeEvery) return;
    this.#acknowledged = this.#received;
    this.#write(this.#line({ a: this.#received }));
  }

  #confirm(received: number): void {
    if (received > this.#sent) throw new Error(`Message ${received} was never sent.`);
    let index = 0;
    while ((this.#unacknowledged[index]?.n ?? Infinity) <= received) index += 1;
    if (index > 0) this.#unacknowledged.splice(0, index);
  }

  #line(envelope: Envelope): string {
    return `${JSON.stringify(envelope)}\n`;
  }
}

function parseEnvelope(line: string): Envelope {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new Error('Not a message.');
  const { n, a, m } = value as { n?: unknown; a?: unknown; m?: unknown };
  if (!isCount(a) || (n !== undefined && !isCount(n))) throw new Error('Not a message.');
  return n === undefined ? { a } : { n, a, m };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
