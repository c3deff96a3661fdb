import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Capsule } from './format.ts';

/** Records in one line; keeps every line well below what a string can hold. */
const lineRecords = 5_000;

/**
 * Writes a capsule whole or not at all; it is on the disk when this returns. Synchronous, since the program must not run
 * on in between.
 * @returns its size in bytes
 */
export function writeCapsule(file: string, capsule: Capsule): number {
  const temporary = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'wx', 0o600);
  let bytes = 0;
  try {
    const hash = createHash('sha256');
    const put = (value: unknown, hashed = true): void => {
      const line = Buffer.from(`${JSON.stringify(value)}\n`, 'utf8');
      if (hashed) hash.update(line);
      for (let at = 0; at < line.length;) at += writeSync(descriptor, line, at);
      bytes += line.length;
    };
    put(capsule.header);
    const { symbols, shapes, scripts, contexts, objects, roots } = capsule;
    const sections = { symbols, shapes, scripts, contexts, objects, roots: [roots] };
    for (const [name, records] of Object.entries(sections)) {
      const step = name === 'scripts' ? 1 : lineRecords;
      if (records.length === 0) put([name, []]);
      for (let at = 0; at < records.length; at += step) put([name, records.slice(at, at + step)]);
    }
    put({ sha256: hash.digest('hex') }, false);
    fsyncSync(descriptor);
  } catch (error) {
    closeSync(descriptor);
    unlinkSync(temporary);
    throw error;
  }
  closeSync(descriptor);
  renameSync(temporary, file);
  const folder = openSync(dirname(file), 'r');
  fsyncSync(folder);
  closeSync(folder);
  return bytes;
}
