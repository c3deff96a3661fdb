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

  /** Up to now, the step that is under way included. */
  read(): { steps: { name: HandoffStep; ms: number }[]; totalMs: number } {
    const steps = this.#current === undefined ? [] : [measured(this.#current)];
    return {
      steps: [...this.#steps, ...steps],
      totalMs: rounded(performance.now() - this.#started),
    };
  }

  #close(): void {
    if (this.#current !== undefined) this.#steps.push(measured(this.#current));
    this.#current = undefined;
  }
}

function measured({ name, since }: { readonly name: HandoffStep; readonly since: number }): {
  name: HandoffStep;
  ms: number;
} {
  return { name, ms: rounded(performance.now() - since) };
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
