import { closeSync, constants, existsSync, openSync, readSync, unlinkSync } from 'node:fs';

/**
 * Where a program stands still until somebody lets it go on: a FIFO. While it waits nothing of the program is handled and
 * no processor is used. Whoever holds it may die and be replaced: the program has the FIFO open for writing itself, so
 * that it never sees an end of file there.
 */
export class Gate {
  readonly path: string;
  #descriptor: number | undefined;

  /** @throws when there is no such FIFO (any more): then nobody would let the program go on */
  constructor(path: string) {
    this.path = path;
    this.#descriptor = openSync(path, constants.O_RDWR);
  }

  /** Whether somebody still wants the program to stand still. */
  get isThere(): boolean {
    return existsSync(this.path);
  }

  /** Blocks the thread until a byte comes. */
  wait(): void {
    const byte = Buffer.alloc(1);
    while (this.#descriptor !== undefined) {
      try {
        if (readSync(this.#descriptor, byte) > 0) break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EINTR') throw error;
      }
    }
  }

  /** Takes the FIFO away, which tells whoever let it go on that it does. */
  leave(): void {
    this.dispose();
    try {
      unlinkSync(this.path);
    } catch {
      // Whoever called it off has taken it away.
    }
  }

  dispose(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
