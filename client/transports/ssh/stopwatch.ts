/** Runs something that waits for a person. */
export type Pausing = <T>(work: () => Promise<T>) => Promise<T>;

/** Limits the time that a machine may take, not the time that a person takes to answer. */
export class Stopwatch {
  readonly #limitMs: number;
  readonly #expired: () => void;
  readonly #answers = new Set<Promise<unknown>>();
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
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
    if (this.#answers.size === 0) this.#timer = setTimeout(this.#expired, this.#limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The limit begins anew when the question is answered, if it was running. */
  readonly paused: Pausing = async (ask) => {
    const wasRunning = this.#timer !== undefined || this.#answers.size > 0;
    this.#hasPaused = true;
    this.stop();
    const answer = ask();
    this.#answers.add(answer);
    try {
      return await answer;
    } finally {
      this.#answers.delete(answer);
      if (wasRunning && !this.#isOver) this.start();
    }
  };

  /** Nothing is timed any more; resolves when all questions are answered. */
  async over(): Promise<void> {
    this.#isOver = true;
    this.stop();
    await Promise.allSettled([...this.#answers]);
  }
}
