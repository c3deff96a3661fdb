import { readFileSync } from 'node:fs';
import { join } from 'node:path';

// The build replaces this module by one that holds both texts.
const dist = join(import.meta.dirname, '../../dist');

/** Source of the worker thread that is loaded into a process. */
export const runtimeSource = readFileSync(join(dist, 'debugRuntime.cjs'), 'utf8');
/** Source of the module that a process launched to be debugged requires first. */
export const bootstrapSource = readFileSync(join(dist, 'debugBootstrap.cjs'), 'utf8');
