import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, 'golden');

/** Compares a transcript with the one that is kept; `FLICK_UPDATE_GOLDEN=1` keeps this one instead. */
export function assertGolden(name: string, transcript: string): void {
  const path = join(folder, `${name}.txt`);
  if (process.env['FLICK_UPDATE_GOLDEN'] === '1') {
    writeFileSync(path, transcript);
    return;
  }
  const kept = existsSync(path) ? readFileSync(path, 'utf8') : '';
  assert.equal(transcript, kept, `The conversation differs from golden/${name}.txt.`);
}
