/** Tasks of one key, one after the other, in the order in which they were asked for; those of others do not wait. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** @returns what the task returns; one that fails does not keep the next from its turn */
  async take<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const turn = before.then(task);
    const over = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, over);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === over) this.#last.delete(key);
    }
  }
}
