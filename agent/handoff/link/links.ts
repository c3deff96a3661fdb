import type { Duplex } from 'node:stream';
import type { Logger } from '../../../common/logger.ts';
import { messageOf } from '../../../common/rpc.ts';
import { FlickError, type HandoffStep, type LinkOffer } from '../../../protocol/index.ts';
import type { HandoffOperation, LinkView } from '../context.ts';
import { HandoffLink } from './handoffLink.ts';
import { patienceAt, type LinkPatience } from './patience.ts';

/** The connections to other agents, one for each handoff under way. */
export class HandoffLinks {
  readonly #links = new Map<string, HandoffLink>();
  readonly #patience: LinkPatience;
  readonly #bootId: string;
  readonly #logger: Logger;

  constructor(options: {
    readonly patience: LinkPatience;
    readonly bootId: string;
    readonly logger: Logger;
  }) {
    this.#patience = options.patience;
    this.#bootId = options.bootId;
    this.#logger = options.logger;
  }

  /**
   * Makes ready to connect a half of a handoff with the other one.
   * @param join is called when the agents have found each other
   * @returns undefined when nothing can listen on this device
   */
  async prepare(
    operation: HandoffOperation<unknown>,
    join: (stream: Duplex, link: LinkView) => void,
  ): Promise<LinkOffer | undefined> {
    // One that was cut off, of a handoff whose agents meet again.
    this.#links.get(operation.id)?.dispose();
    const link = new HandoffLink({
      handoff: operation.id,
      patience: this.#patience.running,
      bootId: this.#bootId,
      logger: this.#logger,
      joined: join,
    });
    try {
      const offer = await link.offer();
      this.#links.set(operation.id, link);
      link.stream.once('close', () => {
        if (this.#links.get(operation.id) === link) this.#links.delete(operation.id);
        operation.expire();
      });
      void operation.streamOver.then(() => link.hurry());
      return offer;
    } catch (error) {
      link.dispose();
      this.#logger.log('warn', 'no link could be prepared', { error: messageOf(error) });
      return undefined;
    }
  }

  /** @throws {FlickError} `invalidRequest` when there is no such handoff under way */
  meet(handoff: string, peer: LinkOffer, dials: boolean): Promise<boolean> {
    return this.#find(handoff).meet(peer, dials);
  }

  /** @returns what to do with the client's stream. @throws {FlickError} `invalidRequest` */
  relay(handoff: string): (stream: Duplex) => void {
    const link = this.#find(handoff);
    return (stream) => void link.relay(stream);
  }

  /** Nobody needs to wait for a link any longer. One that is there is used to the end. @throws {FlickError} `invalidRequest` */
  abandon(handoff: string): void {
    this.#find(handoff).hurry();
  }

  /** How far a handoff of this device is: it does without a link for longer while its process runs. */
  reached(handoff: string, step: HandoffStep): void {
    const link = this.#links.get(handoff);
    if (link !== undefined) link.patience = patienceAt(step, this.#patience);
  }

  /** The handoff is cancelled: what has to be said is said now or never. */
  cancelled(handoff: string): void {
    this.#links.get(handoff)?.hurry();
  }

  /** A half of a handoff has nobody at its other end any more. One whose agents have yet to meet is not cut off. */
  isCutOff(handoff: string): boolean {
    return this.#links.get(handoff)?.isCutOff === true;
  }

  #find(handoff: string): HandoffLink {
    const link = this.#links.get(handoff);
    if (link === undefined) {
      throw new FlickError('invalidRequest', `There is no move ${handoff} under way here.`);
    }
    return link;
  }
}
