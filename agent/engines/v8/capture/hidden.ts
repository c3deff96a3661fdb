import { FunctionNumbers } from './functionNumbers.ts';
import { Memory } from './memory.ts';
import { Probe } from './probe.ts';

/** What only the memory of the process shows; opened when it is first asked for. */
export class Hidden {
  #memory: Memory | undefined | null = null;
  #probe: Probe | undefined | null = null;
  #numbers: FunctionNumbers | undefined | null = null;

  /** Undefined where there is no access to it. */
  get memory(): Memory | undefined {
    if (this.#memory === null) this.#memory = Memory.open();
    return this.#memory;
  }

  get probe(): Probe | undefined {
    if (this.#probe === null) this.#probe = this.#understand((memory) => new Probe(memory));
    return this.#probe;
  }

  get numbers(): FunctionNumbers | undefined {
    if (this.#numbers === null) {
      this.#numbers = this.#understand((memory) => new FunctionNumbers(memory));
    }
    return this.#numbers;
  }

  #understand<T>(read: (memory: Memory) => T): T | undefined {
    try {
      return this.memory === undefined ? undefined : read(this.memory);
    } catch {
      // A V8 that keeps things otherwise: what needs them is refused.
      return undefined;
    }
  }

  dispose(): void {
    this.#memory?.dispose();
    this.#memory = undefined;
    this.#probe = undefined;
    this.#numbers = undefined;
  }
}
