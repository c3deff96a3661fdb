import type { ObjectRecord } from './format.ts';
import type { Spool } from './spool.ts';

/** Records in one line: few, since V8 moves what waits for the rest of its line to where garbage is seldom collected. */
export const lineRecords = 1_000;

interface Pending {
  readonly records: (ObjectRecord | null)[];
  count: number;
}

/** A section of the capsule, as the line of a file. */
export function sectionLine(name: string, records: readonly unknown[]): Buffer {
  return Buffer.from(`${JSON.stringify([name, records])}\n`, 'utf8');
}

/**
 * The objects of a capsule, which become text as soon as all of a line are known: what is written down of a program
 * would otherwise take as much memory as the program itself. A record must not change any more when it is given.
 */
export class RecordLines {
  /** The number of objects that are known, and of the functions among them. */
  count = 0;
  functions = 0;
  readonly #pending = new Map<number, Pending>();
  readonly #lines: Spool;

  /** @param lines where the lines go */
  constructor(lines: Spool) {
    this.#lines = lines;
  }

  /** @returns the id of an object whose record will follow */
  reserve(): number {
    this.count += 1;
    return this.count - 1;
  }

  has(id: number): boolean {
    const index = Math.floor(id / lineRecords);
    const line = this.#pending.get(index);
    if (line === undefined) return this.#lines.has(index);
    return line.records[id % lineRecords] != null;
  }

  set(id: number, record: ObjectRecord): void {
    const index = Math.floor(id / lineRecords);
    let line = this.#pending.get(index);
    if (line === undefined) {
      const records = new Array<ObjectRecord | null>(lineRecords).fill(null);
      // There is no object 0.
      line = { records, count: index === 0 ? 1 : 0 };
      this.#pending.set(index, line);
    }
    line.records[id % lineRecords] = record;
    line.count += 1;
    if (!Array.isArray(record) && (record as { k: string }).k === 'fn') this.functions += 1;
    if (line.count === lineRecords) this.#write(index, line);
  }

  /** All lines, in order. To be called once, when every record has been given. */
  finish(): Iterable<Buffer> {
    for (const [index, line] of this.#pending) {
      line.records.length = Math.min(lineRecords, this.count - index * lineRecords);
      this.#write(index, line);
    }
    return this.#lines;
  }

  #write(index: number, { records }: Pending): void {
    this.#lines.put(index, sectionLine('objects', records));
    this.#pending.delete(index);
  }
}
