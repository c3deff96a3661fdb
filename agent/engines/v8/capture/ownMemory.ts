import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext, runInThisContext } from 'node:vm';

/** So many that V8 puts the array on pages of its own, where it never moves. */
const slotCount = 40_000;
/** Such pages begin at multiples of this, with a head of less than a page of the system. */
const alignment = 0x4_0000;
const headLimit = 8192;
/** Fields of a function or context that are looked at, in bytes. */
const fieldsLimit = 80;
const deepest = 1_000;

type Collect = (options: { type: 'minor' | 'major' }) => void;

/** The address of a context; no number of anything else. */
export type Address = number;

/**
 * Tells which functions share a context by what stands in the memory of this very process: a function is put into a slot
 * whose address is known, and its fields are read. Where V8 keeps the context in a function and the outer one in a
 * context is found out with functions made for the purpose. Linux only; elsewhere a heap snapshot tells the same, slowly.
 */
export class OwnMemory {
  readonly #file: number;
  readonly #slots: unknown[];
  readonly #slotAddress: number;
  readonly #collect: Collect;
  readonly #buffer = Buffer.alloc(fieldsLimit);
  /** A function outside of any scope. */
  readonly #outermost: () => unknown;
  /** A closure over a variable that is not initialized, and one over a variable that is undefined. */
  readonly #unset: readonly (() => unknown)[];
  #contextAt = 0;
  #previousAt = 0;
  #end: Address = 0;
  #hole: Address = 0;

  /** @returns undefined where memory cannot be read */
  static open(): OwnMemory | undefined {
    let file: number | undefined;
    try {
      file = openSync('/proc/self/mem', 'r');
      return new OwnMemory(file);
    } catch {
      if (file !== undefined) closeSync(file);
      return undefined;
    }
  }

  private constructor(file: number) {
    this.#file = file;
    this.#outermost = runInThisContext('(function () {})') as () => unknown;
    this.#unset = runInThisContext(
      `[(function () { return () => late; let late = 1; })(), (function () { let never; return () => never; })()]`,
    ) as (() => unknown)[];
    const marks = [1, 2].map(() => 1 + Math.floor(Math.random() * 2 ** 30));
    this.#slots = new Array<unknown>(slotCount).fill(undefined);
    marks.forEach((mark, index) => (this.#slots[index] = mark));
    this.#slotAddress = this.#find(marks) + marks.length * 8;
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as Collect;
    setFlagsFromString('--no-expose-gc');
  }

  close(): void {
    closeSync(this.#file);
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

  release(): void {
    setFlagsFromString('--compact');
    this.#slots[2] = undefined;
  }

  /** Collects what is garbage. What is held stays where it is. */
  tidy(): void {
    this.#collect({ type: 'major' });
  }

  contextOf(f: unknown): Address {
    return this.#fieldsOf(this.#addressOf(f))[this.#contextAt] ?? 0;
  }

  /** The contexts that a function sees, from the innermost outwards; undefined when they cannot be followed. */
  chain(f: unknown): Address[] | undefined {
    const chain: Address[] = [];
    for (let at = this.contextOf(f); at !== this.#end;) {
      if (!isPointer(at) || chain.length > deepest) return undefined;
      chain.push(at);
      at = this.#fieldsOf(at)[this.#previousAt] ?? 0;
    }
    return chain;
  }

  /** Whether a variable of a context is not initialized. */
  hasHole(context: Address): boolean {
    return this.#variablesOf(context).includes(this.#hole);
  }

  /** A context is an array: how many fields it has, what describes them, the context around it, and its variables. */
  #variablesOf(context: Address): number[] {
    const head = this.#fieldsOf(context);
    const count = Math.floor((head[1] ?? 0) / 2 ** 32);
    const from = this.#previousAt + 1;
    const length = count - (from - 2);
    if (!(length > 0)) return [];
    const bytes = Buffer.alloc(length * 8);
    readSync(this.#file, bytes, 0, bytes.length, context - 1 + from * 8);
    return Array.from({ length }, (_, index) => wordAt(bytes, index * 8));
  }

  #addressOf(value: unknown): Address {
    this.#slots[2] = value;
    readSync(this.#file, this.#buffer, 0, 8, this.#slotAddress);
    return wordAt(this.#buffer, 0);
  }

  #fieldsOf(address: Address): number[] {
    readSync(this.#file, this.#buffer, 0, fieldsLimit, address - 1);
    return Array.from({ length: fieldsLimit / 8 }, (_, index) => wordAt(this.#buffer, index * 8));
  }

  #find(marks: readonly number[]): number {
    const pattern = Buffer.alloc(marks.length * 8);
    marks.forEach((mark, index) => pattern.writeInt32LE(mark, index * 8 + 4));
    const head = Buffer.alloc(headLimit);
    for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) rw\S+ \S+ \S+ 0\s*$/.exec(line);
      if (match === null) continue;
      const [from, until] = [parseInt(match[1] ?? '', 16), parseInt(match[2] ?? '', 16)];
      const first = Math.ceil(from / alignment) * alignment;
      for (let at = first; at + slotCount * 8 <= until; at += alignment) {
        const length = readSync(this.#file, head, 0, headLimit, at);
        const found = head.subarray(0, length).indexOf(pattern);
        if (found >= 0) return at + found;
      }
    }
    throw new Error('an array is not where V8 keeps such');
  }
}

function wordAt(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset + 4) * 2 ** 32 + buffer.readUInt32LE(offset);
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
