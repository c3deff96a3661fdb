/** Weight of a new measurement. */
const smoothing = 0.3;
/** Assumed of a link that nothing was sent over yet, in bytes a ms. */
const initialRate = 1_000;

/** How fast a link is, from how long batches take to be acknowledged. */
export class LinkRate {
  readonly #sent: { readonly number: number; readonly bytes: number; readonly at: number }[] = [];
  #rate = initialRate;
  #measured = false;
  #lastAt = 0;
  #inFlight = 0;

  /** Bytes a ms. */
  get rate(): number {
    return this.#rate;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  sent(number: number, bytes: number, now: number): void {
    this.#sent.push({ number, bytes, at: now });
    this.#inFlight += bytes;
  }

  /** @param number the last batch that has arrived; all before it have too */
  acknowledged(number: number, now: number): void {
    for (
      let first = this.#sent[0];
      first !== undefined && first.number <= number;
      first = this.#sent[0]
    ) {
      this.#sent.shift();
      this.#inFlight -= first.bytes;
      // The link was busy with those before it until they had arrived.
      const took = Math.max(0.05, now - Math.max(first.at, this.#lastAt));
      const rate = first.bytes / took;
      this.#rate = this.#measured ? this.#rate + smoothing * (rate - this.#rate) : rate;
      this.#measured = true;
      this.#lastAt = now;
    }
  }
}
