import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { collector, type Collect } from '../collector.ts';
import { alignment, wordIn, type ProcessMemory } from './processMemory.ts';

/** The slot that functions are put into. */
const slot = 2;
const wordBytes = 8;
/** What is read at once, and how much of it is kept. */
const pageBytes = 4096;
const keptPages = 512;
/** Fields of a function or context among which those are looked for that matter. */
const fieldCount = 10;
const deepest = 1_000;

/** The address of a context; no number of anything else. */
export type Address = number;

/**
 * Tells which functions share a context by what stands in the memory of this very process. Where V8 keeps the context in a
 * function and the outer one in a context is found out with functions made for the purpose. Where memory cannot be read a
 * heap snapshot tells the same, slowly.
 */
export class OwnMemory {
  readonly #process: ProcessMemory;
  readonly #collect: Collect;
  /** A function outside of any scope. */
  readonly #outermost: () => unknown;
  /** A closure over a variable that is not initialized, and one over a variable that is undefined. */
  readonly #unset: readonly (() => unknown)[];
  /** Memory that has been read, and which page is where in it: functions and contexts do not change while they are held. */
  readonly #kept = Buffer.allocUnsafeSlow(keptPages * pageBytes);
  readonly #places = new Map<number, number>();
  /** Where functions are that were asked about together: they stay there, which {@link isUnmoved} makes sure of. */
  readonly #addresses = new Map<unknown, Address>();
  #contextAt = 0;
  #previousAt = 0;
  #end: Address = 0;
  #hole: Address = 0;

  constructor(memory: ProcessMemory) {
    this.#process = memory;
    this.#outermost = runInThisContext('(function () {})') as () => unknown;
    this.#unset = runInThisContext(
      `[(function () { return () => late; let late = 1; })(), (function () { let never; return () => never; })()]`,
    ) as (() => unknown)[];
    this.#collect = collector();
  }

  /**
   * What is alive stays where it is from here on, until {@link release}. Must be called in the turn in which addresses
   * are asked for.
   * @returns whether the fields of V8's objects are known
   */
  hold(): boolean {
    setFlagsFromString('--no-compact');
    // What has survived two is old, and old objects are moved by compaction only.
    this.#collect({ type: 'minor' });
    const [a, b, other] = [...siblings(), ...siblings()];
    const nested = nest();
    this.#collect({ type: 'minor' });
    this.#collect({ type: 'minor' });
    this.readAgain();
    try {
      const [own = [], same = [], others = []] = [a, b, other].map((each) =>
        this.#fieldsOf(this.#addressOf(each)),
      );
      this.#contextAt = known(
        own.findIndex(
          (word, index) => isPointer(word) && word === same[index] && word !== others[index],
        ),
      );
      const outer = this.contextOf(nested.outer);
      this.#previousAt = known(this.#fieldsOf(this.contextOf(nested.inner)).indexOf(outer));
      this.#end = this.contextOf(this.#outermost);
      const [late, never] = this.#unset.map((each) => this.#variablesOf(this.contextOf(each)));
      this.#hole = late?.length === 1 && never?.length === 1 ? (late[0] ?? 0) : 0;
      if (!isPointer(this.#hole) || this.#hole === never?.[0]) return false;
      const [chain, inside] = [this.chain(nested.outer), this.chain(nested.inner)];
      return chain !== undefined && chain.length > 0 && inside?.slice(1).join() === chain.join();
    } catch {
      return false;
    }
  }

  /** Forgets what has been read. */
  readAgain(): void {
    this.#places.clear();
    this.#addresses.clear();
  }

  release(): void {
    this.readAgain();
    setFlagsFromString('--compact');
    this.#process.put(slot, undefined);
  }

  /** Collects what is garbage. What is held stays where it is. */
  tidy(): void {
    this.#collect();
  }

  contextOf(f: unknown): Address {
    return this.#field(this.#addressOf(f), this.#contextAt);
  }

  /** The same for many, with one look at the memory where they are, which is kept. */
  contextsOf(functions: readonly unknown[]): Address[] {
    const unknown = functions.filter((each) => !this.#addresses.has(each));
    const found = this.#process.wordsOf(slot, unknown);
    unknown.forEach((each, index) => this.#addresses.set(each, found[index] ?? 0));
    return functions.map((each) => this.contextOf(each));
  }

  /** Whether all functions that were asked about together are still where they were. */
  isUnmoved(): boolean {
    const now = this.#process.wordsOf(slot, [...this.#addresses.keys()]);
    return [...this.#addresses.values()].every((address, index) => address === now[index]);
  }

  /** The contexts that a function sees, from the innermost outwards; undefined when they cannot be followed. */
  chain(f: unknown): Address[] | undefined {
    return this.chainFrom(this.contextOf(f));
  }

  /** The same from the innermost context on. */
  chainFrom(context: Address): Address[] | undefined {
    const chain: Address[] = [];
    for (let at = context; at !== this.#end;) {
      if (!isPointer(at) || chain.length > deepest) return undefined;
      chain.push(at);
      at = this.#field(at, this.#previousAt);
    }
    return chain;
  }

  /** Whether a variable of a context is not initialized. */
  hasHole(context: Address): boolean {
    return this.#variablesOf(context).includes(this.#hole);
  }

  /** A context is an array: how many fields it has, what describes them, the context around it, and its variables. */
  #variablesOf(context: Address): number[] {
    const count = Math.floor(this.#field(context, 1) / 2 ** 32);
    const from = this.#previousAt + 1;
    const length = count - (from - 2);
    return length > 0 ? this.#words(context, from, length) : [];
  }

  #addressOf(value: unknown): Address {
    const known = this.#addresses.get(value);
    if (known !== undefined) return known;
    this.#process.put(slot, value);
    return this.#process.wordAt(this.#process.placeOf(slot));
  }

  #field(address: Address, index: number): number {
    const at = address - 1 + index * wordBytes;
    const page = Math.floor(at / pageBytes);
    const place = this.#places.get(page) ?? this.#readPage(page);
    return wordIn(this.#kept, place + at - page * pageBytes);
  }

  /** @returns where it is among those that are kept */
  #readPage(page: number): number {
    if (this.#places.size >= keptPages) this.#places.clear();
    const place = this.#places.size * pageBytes;
    this.#process.readInto(this.#kept, place, page * pageBytes, pageBytes);
    this.#places.set(page, place);
    return place;
  }

  /** Not beyond the end of V8's page, where an object may lie, and behind which nothing can be read. */
  #fieldsOf(address: Address): number[] {
    const left = alignment - ((address - 1) % alignment);
    return this.#words(address, 0, Math.min(fieldCount, left / wordBytes));
  }

  #words(address: Address, from: number, count: number): number[] {
    return Array.from({ length: count }, (_, index) => this.#field(address, from + index));
  }
}

/** V8 tells objects from small numbers by the lowest bit. */
function isPointer(word: number | undefined): boolean {
  return word !== undefined && word % 2 === 1;
}

/** @throws when it is none */
function known(index: number): number {
  if (index < 0) throw new Error('the fields of functions are not known');
  return index;
}

function siblings(): [() => unknown, () => unknown] {
  let shared = 0;
  return [() => shared, () => (shared += 1)];
}

function nest(): { outer: () => unknown; inner: () => unknown } {
  let around = 0;
  const outer = (): number => (around += 1);
  let inner: () => unknown = outer;
  for (let index = 0; index < 1; index += 1) inner = () => [around, index];
  return { outer, inner };
}
