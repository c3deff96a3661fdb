import { readFileSync } from 'node:fs';
import { join } from 'node:path';

// The build replaces this module by one that holds both texts.
const dist = join(import.meta.dirname, '../../../dist');

/** Source of what captures, evaluated in the program that is to move. */
export const captureSource = readFileSync(join(dist, 'v8Capture.cjs'), 'utf8');
/** Source of the main script of the process in which a program is rebuilt. */
export const rebuildSource = readFileSync(join(dist, 'v8Rebuild.cjs'), 'utf8');
