const shelfSize = 1 << 15;
/** Names that are told apart; further ones, as keys of a large Map, are not looked up. */
const sharedNames = 1 << 13;

/** A list that grows without being copied, as a long array is time and again. */
class Shelves {
  readonly #shelves: unknown[][] = [];
  #length = 0;

  /** @returns its index */
  push(value: unknown): number {
    const place = this.#length % shelfSize;
    if (place === 0) this.#shelves.push(new Array<unknown>(shelfSize));
    const shelf = this.#shelves[this.#shelves.length - 1];
    if (shelf !== undefined) shelf[place] = value;
    this.#length += 1;
    return this.#length - 1;
  }

  at(index: number): unknown {
    return this.#shelves[Math.floor(index / shelfSize)]?.[index % shelfSize];
  }
}

/** The same for small integers, in half of the memory. */
class Numbers {
  readonly #shelves: Int32Array[] = [];
  #length = 0;

  push(value: number): void {
    const place = this.#length % shelfSize;
    if (place === 0) this.#shelves.push(new Int32Array(shelfSize));
    const shelf = this.#shelves[this.#shelves.length - 1];
    if (shelf !== undefined) shelf[place] = value;
    this.#length += 1;
  }

  at(index: number): number {
    return this.#shelves[Math.floor(index / shelfSize)]?.[index % shelfSize] ?? 0;
  }
}

/** What was found, and where, by number. */
export class Found {
  readonly #live = new Shelves();
  readonly #from = new Numbers();
  /** Places in an array; names of properties as negative numbers. */
  readonly #labels = new Numbers();
  readonly #names = new Shelves();
  readonly #numberOf = new Map<string, number>();

  constructor() {
    this.add(undefined, 0, 'the program');
  }

  add(live: unknown, from: number, label: string | number): void {
    this.#live.push(live);
    this.#from.push(from);
    this.#labels.push(typeof label === 'number' ? label : ~this.#number(label));
  }

  live(id: number): unknown {
    return this.#live.at(id);
  }

  /** How the program gets to it: `server.js › handlers › 3`. */
  path(id: number): string {
    const labels: string[] = [];
    for (let at = id; at > 0 && labels.length < 8; at = this.#from.at(at)) {
      const label = this.#labels.at(at);
      labels.unshift(label < 0 ? String(this.#names.at(~label)) : String(label));
    }
    return labels.join(' › ');
  }

  #number(name: string): number {
    const known = this.#numberOf.get(name);
    if (known !== undefined) return known;
    const number = this.#names.push(name);
    if (this.#numberOf.size < sharedNames) this.#numberOf.set(name, number);
    return number;
  }
}
