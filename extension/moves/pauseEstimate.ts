/** What a stop-and-copy move costs beside its memory: freezing, dumping and restoring a small process. */
const fixedMs = 200;
/** Dumping, sending and restoring over a local link, until a move between the two devices says better. */
const defaultBytesPerMs = 200_000;
/** Below this much memory the fixed costs drown the rate, and a move teaches nothing about it. */
const tellingBytes = 16 << 20;

/** Guesses how long a process will be paused, from what earlier moves between the same two devices took. */
export class PauseEstimate {
  readonly #bytesPerMs = new Map<string, number>();

  /** @returns ms. */
  expect(from: string, to: string, memoryBytes: number): number {
    const rate = this.#bytesPerMs.get(key(from, to)) ?? defaultBytesPerMs;
    return fixedMs + memoryBytes / rate;
  }

  learn(from: string, to: string, memoryBytes: number, downtimeMs: number): void {
    if (memoryBytes < tellingBytes && downtimeMs < 4 * fixedMs) return;
    const rate = memoryBytes / Math.max(1, downtimeMs - fixedMs);
    if (rate > 0) this.#bytesPerMs.set(key(from, to), rate);
  }
}

function key(from: string, to: string): string {
  return JSON.stringify([from, to]);
}
