const shelfSize = 1 << 15;

/** A list that grows without being copied, as a long array is time and again. */
class Shelves<T> {
  readonly #shelves: (T | undefined)[][] = [];
  #length = 0;

  push(value: T): void {
    const place = this.#length % shelfSize;
    if (place === 0) this.#shelves.push(new Array<T | undefined>(shelfSize));
    const shelf = this.#shelves[this.#shelves.length - 1];
    if (shelf !== undefined) shelf[place] = value;
    this.#length += 1;
  }

  at(index: number): T | undefined {
    return this.#shelves[Math.floor(index / shelfSize)]?.[index % shelfSize];
  }
}

/** What was found, and where, by number. */
export class Found {
  readonly #live = new Shelves<unknown>();
  readonly #from = new Shelves<number>();
  /** Names of properties, or places in an array. */
  readonly #labels = new Shelves<string | number>();

  constructor() {
    this.add(undefined, 0, 'the program');
  }

  add(live: unknown, from: number, label: string | number): void {
    this.#live.push(live);
    this.#from.push(from);
    this.#labels.push(label);
  }

  live(id: number): unknown {
    return this.#live.at(id);
  }

  /** How the program gets to it: `server.js › handlers › 3`. */
  path(id: number): string {
    const labels: string[] = [];
    for (let at = id; at > 0 && labels.length < 8; at = this.#from.at(at) ?? 0) {
      labels.unshift(String(this.#labels.at(at) ?? ''));
    }
    return labels.join(' › ');
  }
}
