import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** More than fits into a page of V8's: the array then has pages of its own, and is never moved. */
const slotCount = 40_000;
/** All pages of V8's begin at multiples of this, those with a head of less than two pages of the system. */
export const alignment = 0x4_0000;
const headLimit = 8192;
const chunkBytes = 1 << 20;
const wordBytes = 8;
/** The first slots are what the array is found by. */
const marks = 2;

/**
 * Read access to the memory of this very process, by way of /proc/self/mem, and the addresses of its objects: an object is
 * put into a slot of an array whose place is known. Linux alone has this, and a V8 with compressed pointers is not
 * understood.
 */
export class ProcessMemory {
  readonly #file: number;
  readonly #slots = new Array<unknown>(slotCount).fill(undefined);
  readonly #firstSlot: number;
  readonly #word = Buffer.alloc(wordBytes);

  /** @returns undefined where there is no such access */
  static open(): ProcessMemory | undefined {
    let file: number | undefined;
    try {
      file = openSync('/proc/self/mem', 'r');
      return new ProcessMemory(file);
    } catch {
      if (file !== undefined) closeSync(file);
      return undefined;
    }
  }

  private constructor(file: number) {
    this.#file = file;
    this.#firstSlot = this.#find();
  }

  close(): void {
    closeSync(this.#file);
    this.#slots.length = 0;
  }

  /** @throws where there is no such memory */
  read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    this.readInto(bytes, 0, at, length);
    return bytes;
  }

  /** @throws where there is no such memory */
  readInto(bytes: Buffer, offset: number, at: number, length: number): void {
    if (readSync(this.#file, bytes, offset, length, at) !== length) {
      throw new Error('memory that cannot be read');
    }
  }

  /** One word as a number, exact for all that may be an address. @throws where there is no such memory */
  wordAt(at: number): number {
    this.readInto(this.#word, 0, at, wordBytes);
    return wordIn(this.#word, 0);
  }

  /** Keeps a value in a slot, where its address can be read. */
  put(slot: number, value: unknown): void {
    this.#slots[marks + slot] = value;
  }

  /** The words of values that are put into slots from one on. @throws where there is no such memory */
  wordsOf(slot: number, values: readonly unknown[]): number[] {
    const most = slotCount - marks - slot;
    const words: number[] = [];
    for (let from = 0; from < values.length; from += most) {
      const part = values.slice(from, from + most);
      part.forEach((value, index) => this.put(slot + index, value));
      const bytes = this.read(this.placeOf(slot), part.length * wordBytes);
      part.forEach((_, index) => {
        words.push(wordIn(bytes, index * wordBytes));
        this.put(slot + index, undefined);
      });
    }
    return words;
  }

  /** Where {@link put} keeps a value. */
  placeOf(slot: number): number {
    return this.#firstSlot + (marks + slot) * wordBytes;
  }

  /** Where the array lies: where its marks are and change with it. */
  #find(): number {
    const [first, second, other] = [randomInteger(), randomInteger(), randomInteger()];
    this.#slots[0] = first;
    this.#slots[1] = second;
    const pattern = Buffer.alloc(marks * wordBytes);
    pattern.writeInt32LE(first, 4);
    pattern.writeInt32LE(second, 12);
    const among = regions();
    const likely = this.#inHeads(among, pattern);
    const all = likely.length > 0 ? likely : this.#anywhere(among, pattern);
    this.#slots[1] = other;
    const found = all.find((at) => this.wordAt(at + wordBytes) === other * 2 ** 32);
    if (found === undefined) throw new Error('the heap is not to be read');
    return found;
  }

  /** Looks at the heads of pages alone. */
  #inHeads(among: readonly Region[], pattern: Buffer): number[] {
    const head = Buffer.alloc(headLimit);
    const found: number[] = [];
    for (const { start, end } of among) {
      const first = Math.ceil(start / alignment) * alignment;
      for (let at = first; at + slotCount * wordBytes <= end; at += alignment) {
        let length: number;
        try {
          length = readSync(this.#file, head, 0, headLimit, at);
        } catch {
          // V8 has given it back since it was listed.
          break;
        }
        const index = head.subarray(0, length).indexOf(pattern);
        if (index >= 0) found.push(at + index);
      }
    }
    return found;
  }

  #anywhere(among: readonly Region[], pattern: Buffer): number[] {
    const found: number[] = [];
    const chunk = Buffer.alloc(chunkBytes);
    for (const { start, end } of among) {
      for (let at = start; at < end; at += chunkBytes) {
        let length: number;
        try {
          length = readSync(this.#file, chunk, 0, Math.min(end - at, chunkBytes), at);
        } catch {
          break;
        }
        const part = chunk.subarray(0, length);
        for (let index = part.indexOf(pattern); index >= 0;) {
          if (index % wordBytes === 0) found.push(at + index);
          index = part.indexOf(pattern, index + 1);
        }
      }
    }
    return found;
  }
}

/** What can be read by given means; undefined without these, and in a V8 that keeps things otherwise. */
export function understood<T, U>(means: T | undefined, read: (means: T) => U): U | undefined {
  try {
    return means === undefined ? undefined : read(means);
  } catch {
    return undefined;
  }
}

/** A word as a number, exact for all that may be an address. */
export function wordIn(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset + 4) * 2 ** 32 + bytes.readUInt32LE(offset);
}

/** A small integer that is nowhere else. */
export function randomInteger(): number {
  return 1 + Math.floor(Math.random() * 0x3fffffff);
}

interface Region {
  readonly start: number;
  readonly end: number;
}

/** Private memory of this process that it can write. */
function regions(): Region[] {
  return readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .flatMap((line): Region[] => {
      const match = /^([0-9a-f]+)-([0-9a-f]+) rw\Sp \S+ \S+ 0\s*$/.exec(line);
      const [, start = '', end = ''] = match ?? [];
      return match === null ? [] : [{ start: parseInt(start, 16), end: parseInt(end, 16) }];
    });
}
