export interface Entry {
  to: string;
  amount: number;
  note?: string;
}
export class Ledger {
  static #count = 0;
  readonly #entries: Entry[] = [];
  #balances = new Map<string, number>();
  static {
    Ledger.#count = 1;
  }
  static isLedger(thing: object): boolean {
    return #entries in thing && Ledger.#count === 1;
  }
  get last(): Entry | undefined {
    return this.#entries.at(-1);
  }
  #add(to: string, amount: number): void {
    this.#balances.set(to, (this.#balances.get(to) ?? 0) + amount);
  }
  book(entry: Entry): void {
    this.#entries.push(entry);
    this.#add(entry.to, entry.amount ** 2);
  }
  balance(of: string): number {
    return this.#balances.get(of) ?? 0;
  }
  all(): Record<string, number> {
    return Object.fromEntries(this.#balances);
  }
}
