import { printable } from '../../procfs/command.ts';
import type { CriuFacts, NamedProcess } from './factsSchema.ts';

const maxNamed = 5;

/** `node (4711)`. Names come from strangers, and from another device, so they are escaped here whatever was done before. */
export function label(facts: CriuFacts, pid: number): string {
  const process = facts.processes.find((each) => each.pid === pid);
  return `${printable(process?.name ?? 'a process')} (${pid})`;
}

export function labelOf(process: NamedProcess): string {
  return `${printable(process.name)} (${process.pid})`;
}

/** `a, b and c`; of many, the first few and `12 more`. */
export function enumerate(items: readonly string[]): string {
  const unique = [...new Set(items)];
  const shown = unique.slice(0, maxNamed);
  if (unique.length > shown.length) shown.push(`${unique.length - shown.length} more`);
  const last = shown.pop() ?? '';
  return shown.length === 0 ? last : `${shown.join(', ')} and ${last}`;
}

/** `1 file`, `3 files`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** A size for people: `12 MB`, powers of 1000. */
export function size(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** A path for a sentence. */
export function shownPath(path: string): string {
  return printable(path).slice(0, 300);
}
