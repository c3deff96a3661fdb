/** Delays that double from `initialMs` to `maxMs`, each spread by up to ±20 % so that clients do not retry in step. */
export class Backoff {
  readonly #initialMs: number;
  readonly #maxMs: number;
  #attempt = 0;

  constructor(initialMs = 500, maxMs = 30_000) {
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
  }

  /** How many delays have been handed out since the last reset. */
  get attempt(): number {
    return this.#attempt;
  }

  /** The next delay in ms. `random` yields a number in [0, 1). */
  next(random: () => number = Math.random): number {
    const base = Math.min(this.#maxMs, this.#initialMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.round(base * (0.8 + 0.4 * random()));
  }

  reset(): void {
    this.#attempt = 0;
  }
}
