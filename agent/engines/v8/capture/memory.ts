import type { ProcessMemory } from './processMemory.ts';
import { Refusal } from './refusal.ts';

/** A word of the heap: a small integer of V8, or the address of an object. */
export type Word = bigint;

/** Slots that values are put into. */
const slot = { object: 0, canary: 1 } as const;

/**
 * Values in the heap of this very process: V8 shows small integers of its own fields (how far an iterator is, temporary
 * values of a suspended function) nowhere else. Where things lie is found out with objects that were made for it.
 */
export class Memory {
  readonly #process: ProcessMemory;
  readonly #kinds: ReadonlyMap<Word, 'latin1' | 'utf16le' | 'joined' | 'number' | 'bigint'>;
  readonly #oddballs: ReadonlyMap<Word, unknown>;
  /** What stands where there is no element. */
  readonly hole: Word;

  /** @throws where values are kept otherwise */
  constructor(memory: ProcessMemory) {
    this.#process = memory;
    this.#oddballs = new Map(
      [undefined, null, true, false].map((each) => [this.word(each), each] as const),
    );
    const text = String(process.hrtime.bigint());
    const samples = [
      ['latin1', 'latin1'],
      ['latin1', Buffer.from(text).toString('latin1')],
      ['utf16le', 'Ω≈ç'],
      ['utf16le', Buffer.from(`≈${text}`).toString('utf8')],
      // Kept as two texts until they are looked at.
      ['joined', `${text}, ${text}`],
      ['joined', `${text}≈ ${text}`],
      ['number', Math.random() + 1],
      ['bigint', process.hrtime.bigint()],
    ] as const;
    this.#kinds = this.exact(
      () =>
        new Map(samples.map(([kind, sample]) => [this.words(this.word(sample), 1)[0] ?? 0n, kind])),
    );
    const holes = this.exact(() => this.words(this.follow(this.word([{}, , {}]), [2]), 4));
    this.hole = holes[3] ?? 0n;
    for (const [, sample] of samples) {
      if (this.exact(() => this.primitive(this.word(sample))) !== sample)
        throw new Error('values in the heap are not understood');
    }
  }

  /** Reads again until no object was moved meanwhile. */
  exact<T>(read: () => T): T {
    for (let attempt = 0; attempt < 8; attempt += 1) {
      this.#process.put(slot.canary, {});
      const before = this.#slot(slot.canary);
      const found = read();
      if (this.#slot(slot.canary) === before) return found;
    }
    throw new Refusal(
      'Cannot move yet: the objects of the program are being moved in its memory.',
      {
        passing: true,
      },
    );
  }

  /** The word for a value. */
  word(value: unknown): Word {
    this.#process.put(slot.object, value);
    return this.#slot(slot.object);
  }

  /** The words of an object: its map, then its fields. */
  words(object: Word, count: number): Word[] {
    if (!isAddress(object)) return [];
    const bytes = this.#bytes(object - 1n, count * 8);
    return Array.from({ length: count }, (_, index) => bytes.readBigUInt64LE(index * 8));
  }

  /** Goes along fields from object to object. */
  follow(object: Word, fields: readonly number[]): Word {
    return fields.reduce((at, field) => this.words(at, field + 1)[field] ?? 0n, object);
  }

  /** The elements of one of V8's own arrays. */
  elements(array: Word): Word[] {
    const length = smallInteger(this.words(array, 2)[1] ?? 1n) ?? 0;
    return this.words(array, length + 2).slice(2);
  }

  /** @returns null for what is no small integer, number, string, bigint, boolean, null or undefined */
  isPrimitive(word: Word): boolean {
    if (!isAddress(word) || this.#oddballs.has(word)) return true;
    const kind = this.#kinds.get(this.words(word, 1)[0] ?? 0n);
    return kind === 'joined' ? this.#joined(word) !== undefined : kind !== undefined;
  }

  /** The value of a word that {@link isPrimitive}. */
  primitive(word: Word): unknown {
    if (!isAddress(word)) return smallInteger(word);
    if (this.#oddballs.has(word)) return this.#oddballs.get(word);
    const [map = 0n] = this.words(word, 1);
    const kind = this.#kinds.get(map);
    if (kind === 'number') return this.#bytes(word + 7n, 8).readDoubleLE(0);
    const head = this.#bytes(word + 7n, 8);
    if (kind === 'bigint') {
      const flags = head.readUInt32LE(0);
      const digits = this.words(word, 2 + (flags >>> 1)).slice(2);
      const size = digits.reduceRight((sum, digit) => (sum << 64n) | digit, 0n);
      return (flags & 1) === 1 ? -size : size;
    }
    if (kind === undefined) return undefined;
    if (kind === 'joined') return this.#joined(word);
    const length = head.readUInt32LE(4);
    return this.#bytes(word + 15n, kind === 'latin1' ? length : 2 * length).toString(kind);
  }

  /** A text that V8 keeps as two others; undefined when one of its parts is of a kind that is not understood. */
  #joined(word: Word): string | undefined {
    const parts: string[] = [];
    const left = [word];
    for (let at = left.pop(); at !== undefined; at = left.pop()) {
      const [map = 0n, , first = 0n, second = 0n] = this.words(at, 4);
      if (this.#kinds.get(map) === 'joined') {
        left.push(second, first);
        continue;
      }
      const part = this.primitive(at);
      if (typeof part !== 'string') return undefined;
      parts.push(part);
    }
    return parts.join('');
  }

  #slot(index: number): Word {
    return this.#process.read(this.#process.placeOf(index), 8).readBigUInt64LE(0);
  }

  #bytes(at: bigint, length: number): Buffer {
    return this.#process.read(Number(at), length);
  }
}

/** Whether a word leads to an object that is not held weakly. */
export function isAddress(word: Word): boolean {
  return (word & 3n) === 1n;
}

/** The value of a word that is a small integer of V8; undefined for others. */
export function smallInteger(word: Word): number | undefined {
  return (word & 0xffffffffn) === 0n ? Number(BigInt.asIntN(32, word >> 32n)) : undefined;
}
