import { readFile, stat, writeFile } from 'node:fs/promises';

/** Size from which a log is cut, and what is kept of it, in bytes. */
const limit = 8 << 20;
const kept = 1 << 20;

/** Keeps the end of a log that has grown large. A log that cannot be cut is no reason not to start. */
export async function trimLog(path: string): Promise<void> {
  try {
    if ((await stat(path)).size < limit) return;
    const content = await readFile(path);
    await writeFile(path, content.subarray(content.length - kept), { mode: 0o600 });
  } catch {
    // There is none yet, or the disk is full.
  }
}
