import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';

/** Lines that are kept in memory before any goes to the disk, in bytes: most programs have no more. */
const keptBytes = 4 << 20;

type Line = Buffer | { readonly at: number; readonly length: number };

const nothing = Buffer.alloc(0);

/**
 * Lines of a capsule, by number, that are not in its file yet, since what stands before them there is known last. What is
 * more than a little is put aside on the disk: the memory of the program would have to hold it otherwise.
 */
export class Spool {
  readonly #path: string | undefined;
  readonly #lines: (Line | undefined)[] = [];
  #kept = 0;
  #file: number | undefined;
  #end = 0;
  /** For what is read: one for each line would be garbage outside of the heap, which V8 lets grow. */
  #read = nothing;

  /** @param path of the file that lines may be put aside in; nobody sees it. Undefined to forget what they say */
  constructor(path?: string) {
    this.#path = path;
  }

  has(index: number): boolean {
    return this.#lines[index] !== undefined;
  }

  put(index: number, line: Buffer): void {
    if (this.#path === undefined) {
      this.#lines[index] = nothing;
      return;
    }
    if (this.#kept + line.length <= keptBytes) {
      this.#lines[index] = line;
      this.#kept += line.length;
      return;
    }
    this.#file ??= openUnseen(this.#path);
    const { length } = line;
    const at = this.#end;
    for (let done = 0; done < length;) {
      done += writeSync(this.#file, line, done, length - done, at + done);
    }
    this.#end += length;
    this.#lines[index] = { at, length };
  }

  /** All lines, in the order of their numbers. Each is what it is until the next one is asked for. */
  *[Symbol.iterator](): Generator<Buffer> {
    for (const line of this.#lines) {
      if (line !== undefined) yield Buffer.isBuffer(line) ? line : this.#back(line);
    }
  }

  /** Lets go of all lines. */
  clear(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    this.#lines.length = 0;
    this.#kept = 0;
    this.#end = 0;
    this.#read = nothing;
  }

  #back({ at, length }: { readonly at: number; readonly length: number }): Buffer {
    if (this.#read.length < length) this.#read = Buffer.allocUnsafeSlow(length);
    const bytes = this.#read.subarray(0, length);
    for (let done = 0; done < length;) {
      const read = readSync(this.#file ?? -1, bytes, done, length - done, at + done);
      if (read === 0) throw new Error('what was put aside is not there');
      done += read;
    }
    return bytes;
  }
}

/** The file goes with the process. */
function openUnseen(path: string): number {
  const file = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return file;
}
