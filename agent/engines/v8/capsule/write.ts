import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Capsule } from './format.ts';
import { lineRecords, sectionLine } from './recordLines.ts';

/** A capsule whose objects are text already. */
export type WrittenCapsule = Omit<Capsule, 'objects'> & { readonly objects: Iterable<Buffer> };

/**
 * Writes a capsule whole or not at all; it is on the disk when this returns. Synchronous, since the program must not run
 * on in between.
 * @returns its size in bytes
 */
export function writeCapsule(file: string, capsule: WrittenCapsule): number {
  const temporary = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'wx', 0o600);
  let bytes = 0;
  try {
    const hash = createHash('sha256');
    const put = (line: Buffer, hashed = true): void => {
      if (hashed) hash.update(line);
      for (let at = 0; at < line.length;) at += writeSync(descriptor, line, at);
      bytes += line.length;
    };
    const text = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`, 'utf8');
    put(text(capsule.header));
    const { symbols, shapes, scripts, contexts, objects, roots } = capsule;
    for (const [name, records] of Object.entries({ symbols, shapes, scripts, contexts })) {
      const step = name === 'scripts' ? 1 : lineRecords;
      if (records.length === 0) put(sectionLine(name, []));
      for (let at = 0; at < records.length; at += step)
        put(sectionLine(name, records.slice(at, at + step)));
    }
    for (const line of objects) put(line);
    put(sectionLine('roots', [roots]));
    put(text({ sha256: hash.digest('hex') }), false);
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
