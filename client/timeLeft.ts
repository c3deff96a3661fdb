/** Speeds are taken over this long, in ms: long enough not to jump, short enough to follow a link that changes. */
const window = 8_000;
/** Before that much has been seen, in ms, nothing is said. */
const settled = 1_500;

/** How long a transfer will still take, from how it went lately. */
export class TimeLeft {
  readonly #seen: { readonly at: number; readonly done: number }[] = [];

  /** @param now in ms. @returns ms, undefined while nothing can be said */
  update(doneBytes: number, totalBytes: number, now: number): number | undefined {
    const last = this.#seen.at(-1);
    // Another step begins anew.
    if (last !== undefined && doneBytes < last.done) this.#seen.length = 0;
    this.#seen.push({ at: now, done: doneBytes });
    while ((this.#seen[0]?.at ?? now) < now - window) this.#seen.shift();
    const first = this.#seen[0];
    if (first === undefined || now - first.at < settled || doneBytes <= first.done)
      return undefined;
    const rate = (doneBytes - first.done) / (now - first.at);
    return Math.max(0, totalBytes - doneBytes) / rate;
  }
}
