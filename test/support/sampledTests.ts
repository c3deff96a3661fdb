import { sample } from './seed.ts';

/** Tests of a suite of which `npm test` runs some, drawn with the run's seed, and `npm run test:full` all. */
export class SampledTests {
  readonly #label: string;
  readonly #tests: { readonly title: string; readonly body: Mocha.AsyncFunc }[] = [];

  constructor(label: string) {
    this.#label = label;
  }

  add(title: string, body: Mocha.AsyncFunc): void {
    this.#tests.push({ title, body });
  }

  /** To be called at the end of the suite. */
  register(count: number): void {
    for (const { title, body } of sample(this.#label, this.#tests, count)) it(title, body);
  }
}
