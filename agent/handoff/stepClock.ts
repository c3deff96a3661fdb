import type { HandoffStep } from '../../protocol/index.ts';

/** Measures how long each step took, in ms of the monotonic clock. */
export class StepClock {
  readonly #started = performance.now();
  readonly #steps: { name: HandoffStep; ms: number }[] = [];
  #current: { readonly name: HandoffStep; readonly since: number } | undefined;

  begin(name: HandoffStep): void {
    this.#close();
    this.#current = { name, since: performance.now() };
  }

  finish(): { steps: { name: HandoffStep; ms: number }[]; totalMs: number } {
    this.#close();
    return { steps: this.#steps, totalMs: rounded(performance.now() - this.#started) };
  }

  #close(): void {
    if (this.#current === undefined) return;
    const { name, since } = this.#current;
    this.#steps.push({ name, ms: rounded(performance.now() - since) });
    this.#current = undefined;
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
