/** Why a program cannot be carried, as a sentence that names what and where. */
export class Refusal extends Error {
  /** What the user may do about it. */
  readonly hint: string | undefined;
  /** Whether it may pass by itself when the program runs on. */
  readonly passing: boolean;

  constructor(sentence: string, options: { hint?: string; passing?: boolean } = {}) {
    super(sentence);
    this.hint = options.hint;
    this.passing = options.passing ?? false;
  }
}
