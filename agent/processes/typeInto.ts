import type { Cell } from './cell.ts';

/** How long to wait before input is offered again that the process did not take, in ms. */
const inputRetry = 50;
const piece = 64 * 1024;

/** Types, and waits while the process does not read: what was typed is never dropped. */
export async function typeInto(cell: Cell, data: Buffer): Promise<void> {
  for (let at = 0; at < data.length;) {
    try {
      await cell.input(data.subarray(at, at + piece));
      at += piece;
    } catch (error) {
      const full = error instanceof Error && 'code' in error && error.code === 'ENOBUFS';
      if (!full) throw error;
      await new Promise((resolve) => setTimeout(resolve, inputRetry));
    }
  }
}
