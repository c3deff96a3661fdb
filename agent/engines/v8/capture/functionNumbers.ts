import { Script } from 'node:vm';
import { smallInteger, type Memory } from './memory.ts';

/** Words of V8's objects that are looked at; none that is asked about is smaller. */
const templateWords = 7;
const functionWords = 8;
const sharedWords = 9;

/**
 * V8 numbers the functions of a script, and notes the number both in what all closures of a function share and in each
 * template object that was made in it. Where it has them is found out with functions made for the purpose.
 */
export class FunctionNumbers {
  readonly #memory: Memory;
  readonly #inTemplate: number;
  readonly #inFunction: number;
  /** In units of four bytes. */
  readonly #inShared: number;

  /** @throws where this V8 keeps them otherwise */
  constructor(memory: Memory) {
    this.#memory = memory;
    const samples = sampleFunctions();
    const templates = samples.map((each) => each());
    const found = memory.exact(() => {
      for (let inTemplate = 5; inTemplate < templateWords; inTemplate += 1) {
        const numbers = templates.map((each) =>
          smallInteger(memory.words(memory.word(each), templateWords)[inTemplate] ?? 1n),
        );
        if (numbers.includes(undefined) || new Set(numbers).size < samples.length) continue;
        for (let inFunction = 1; inFunction < functionWords; inFunction += 1) {
          const shared = samples.map((each) => this.#shared(each, inFunction));
          const inShared = shared[0]?.findIndex((_, at) =>
            shared.every((each, index) => each[at] === numbers[index]),
          );
          if (inShared !== undefined && inShared >= 0) return { inTemplate, inFunction, inShared };
        }
      }
      return undefined;
    });
    if (found === undefined) throw new Error('the numbers of functions are not understood');
    this.#inTemplate = found.inTemplate;
    this.#inFunction = found.inFunction;
    this.#inShared = found.inShared;
  }

  /** The number of the function that a template object was made in. */
  ofTemplate(template: object): number | undefined {
    const memory = this.#memory;
    return memory.exact(() =>
      smallInteger(memory.words(memory.word(template), templateWords)[this.#inTemplate] ?? 1n),
    );
  }

  ofFunction(f: object): number | undefined {
    return this.#memory.exact(() => this.#shared(f, this.#inFunction)[this.#inShared]);
  }

  /** What all closures of a function share, as integers. */
  #shared(f: object, inFunction: number): number[] {
    const memory = this.#memory;
    const words = memory.words(memory.follow(memory.word(f), [inFunction]), sharedWords);
    return words.flatMap((word) => [
      Number(BigInt.asIntN(32, word)),
      Number(BigInt.asIntN(32, word >> 32n)),
    ]);
  }
}

/** Functions of one script, of different lengths, that return a template object each. */
function sampleFunctions(): (() => object)[] {
  const texts = Array.from({ length: 7 }, (_, at) => `() => tag\`${'x'.repeat(3 * at)}\``);
  const [one, two, ...others] = texts;
  const text = `((tag) => [${String(one)}, (() => () => ${String(two)})()(), ${others.join(', ')}])`;
  const make = new Script(text, { filename: 'node:flick' }).runInThisContext() as (
    tag: (texts: object) => object,
  ) => (() => object)[];
  return make((texts) => texts);
}
