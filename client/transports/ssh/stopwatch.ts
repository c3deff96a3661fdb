/** Runs something that waits for a person. */
export type Pausing = <T>(work: () => Promise<T>) => Promise<T>;

/** Limits the time that a machine may take, not the time that a person takes to answer. */
export class Stopwatch {
  readonly #limitMs: number;
  readonly #expired: () => void;
  #timer: NodeJS.Timeout | undefined;
  #questions = 0;
  #hasPaused = false;

  constructor(limitMs: number, expired: () => void) {
    this.#limitMs = limitMs;
    this.#expired = expired;
  }

  get hasPaused(): boolean {
    return this.#hasPaused;
  }

  start(): void {
    this.stop();
    if (this.#questions === 0) this.#timer = setTimeout(this.#expired, this.#limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The limit begins anew when the question is answered, if it was running. */
  readonly paused: Pausing = async (ask) => {
    const wasRunning = this.#timer !== undefined || this.#questions > 0;
    this.#hasPaused = true;
    this.#questions += 1;
    this.stop();
    try {
      return await ask();
    } finally {
      this.#questions -= 1;
      if (wasRunning) this.start();
    }
  };
}
