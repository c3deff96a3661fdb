import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Backoff } from '../../../common/backoff.ts';
import type { Disposable } from '../../../common/disposable.ts';
import type { Event } from '../../../common/event.ts';
import type { Logger } from '../../../common/logger.ts';
import { ResumableStream } from '../../../common/resumableStream.ts';
import { messageOf } from '../../../common/rpc.ts';
import type { LinkOffer } from '../../../protocol/index.ts';
import type { LinkView } from '../context.ts';
import { ownAddresses } from './addresses.ts';
import { dial } from './dial.ts';
import { makeLinkIdentity } from './identity.ts';
import { LinkListener } from './listener.ts';

/** How long the other agent may take to answer at one of its addresses, in ms. */
const dialTimeout = 1_500;
/** How long the last words of a handoff may take without a link, in ms. */
const lastWords = 2_000;

export interface HandoffLinkOptions {
  readonly handoff: string;
  /** In ms. */
  readonly patience: number;
  readonly bootId: string;
  readonly logger: Logger;
  /** The agents are connected for the first time: the stream may be used. */
  readonly joined: (stream: Duplex, link: LinkView) => void;
}

/** One side's part in connecting two agents for one handoff: how it can be reached, and the stream that they speak on. */
export class HandoffLink implements Disposable, LinkView {
  readonly stream: ResumableStream;
  readonly #options: HandoffLinkOptions;
  readonly #identity = makeLinkIdentity();
  readonly #listener: LinkListener;
  readonly #backoff = new Backoff(100, 1_000);
  #timer: NodeJS.Timeout | undefined;
  #peer: LinkOffer | undefined;
  #joined = false;
  #redials = false;
  #isDirect = false;
  #hurries = false;
  #isOver = false;

  constructor(options: HandoffLinkOptions) {
    this.#options = options;
    this.stream = new ResumableStream({ name: options.handoff, patience: options.patience });
    this.#listener = new LinkListener(this.#identity, options.logger);
    this.#listener.onLink((socket) => void this.#attach(socket, true));
    this.stream.onDidChangeLink((isLinked) => {
      if (isLinked) this.#linked();
      else this.#lost();
    });
    this.stream.once('close', () => this.dispose());
  }

  get isDirect(): boolean {
    return this.#isDirect;
  }

  /** Had a link and has none. */
  get isCutOff(): boolean {
    return this.#joined && !this.stream.isLinked;
  }

  get onDidChange(): Event<boolean> {
    return this.stream.onDidChangeLink;
  }

  /** @throws when nothing can listen here */
  async offer(): Promise<LinkOffer> {
    return {
      addresses: [...ownAddresses()],
      port: await this.#listener.listen(),
      fingerprint: this.#identity.fingerprint,
      bootId: this.#options.bootId,
    };
  }

  /** Learns who the other agent is. @returns whether they are connected, after trying to if `dials` */
  async meet(peer: LinkOffer, dials: boolean): Promise<boolean> {
    this.#peer = peer;
    this.#listener.expect(peer.fingerprint);
    // Once it has led there, it is tried again whenever the link breaks.
    if (dials && !this.stream.isLinked && (await this.#dial())) this.#redials = true;
    return this.stream.isLinked;
  }

  /** A stream through the client. */
  async relay(stream: Duplex): Promise<void> {
    await this.#attach(stream, false);
  }

  /** How long to do without a link from now on, in ms. */
  set patience(ms: number) {
    if (!this.#hurries) this.stream.patience = ms;
  }

  /** What is left to say is said within a moment or never. */
  hurry(): void {
    this.#hurries = true;
    this.stream.patience = lastWords;
  }

  dispose(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#listener.dispose();
    this.stream.destroy();
  }

  async #dial(): Promise<boolean> {
    const peer = this.#peer;
    if (peer === undefined || this.#isOver) return false;
    const socket = await dial(peer, this.#identity, {
      loopback: peer.bootId === this.#options.bootId,
      timeoutMs: dialTimeout,
    });
    return socket !== undefined && (await this.#attach(socket, true));
  }

  async #attach(socket: Duplex | TLSSocket, isDirect: boolean): Promise<boolean> {
    const before = this.#isDirect;
    // Who is told of the link asks at once.
    this.#isDirect = isDirect;
    try {
      await this.stream.attach(socket);
      return true;
    } catch (error) {
      this.#isDirect = before;
      this.#log('info', 'a link was not used', { why: messageOf(error) });
      return false;
    }
  }

  #linked(): void {
    this.#backoff.reset();
    clearTimeout(this.#timer);
    if (this.#joined) {
      this.#log('info', 'connected again');
      return;
    }
    this.#joined = true;
    this.#options.joined(this.stream, this);
  }

  #lost(): void {
    this.#log('warn', 'the link between the devices was lost');
    this.#dialLater();
  }

  #dialLater(): void {
    clearTimeout(this.#timer);
    if (!this.#redials || this.#isOver) return;
    this.#timer = setTimeout(() => {
      void this.#dial().then(() => {
        if (!this.stream.isLinked) this.#dialLater();
      });
    }, this.#backoff.next());
  }

  #log(level: 'info' | 'warn', message: string, fields: Record<string, unknown> = {}): void {
    this.#options.logger.log(level, message, { handoff: this.#options.handoff, ...fields });
  }
}
