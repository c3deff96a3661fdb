import { FunctionNumbers } from './functionNumbers.ts';
import { Memory } from './memory.ts';
import { Probe } from './probe.ts';
import { understood, type ProcessMemory } from './processMemory.ts';

/** What only the memory of the process shows; understood when it is first asked for. */
export class Hidden {
  /** Undefined where there is no access to it. */
  readonly process: ProcessMemory | undefined;
  readonly #drain: () => void;
  #memory: Memory | undefined | null = null;
  #probe: Probe | undefined | null = null;
  #numbers: FunctionNumbers | undefined | null = null;

  /** @param drain runs the microtasks that wait */
  constructor(process: ProcessMemory | undefined, drain: () => void) {
    this.process = process;
    this.#drain = drain;
  }

  get memory(): Memory | undefined {
    if (this.#memory === null) this.#memory = understood(this.process, (each) => new Memory(each));
    return this.#memory;
  }

  get probe(): Probe | undefined {
    if (this.#probe === null) {
      this.#probe = understood(this.memory, (memory) => new Probe(memory, this.#drain));
    }
    return this.#probe;
  }

  get numbers(): FunctionNumbers | undefined {
    if (this.#numbers === null) {
      this.#numbers = understood(this.memory, (memory) => new FunctionNumbers(memory));
    }
    return this.#numbers;
  }
}
