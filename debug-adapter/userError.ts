/** Something that cannot be done, in one sentence for the person who asked. */
export class UserError extends Error {
  /** What can be done about it, as a sentence. */
  readonly remedy: string | undefined;

  constructor(message: string, remedy?: string) {
    super(message);
    this.name = 'UserError';
    this.remedy = remedy;
  }
}
