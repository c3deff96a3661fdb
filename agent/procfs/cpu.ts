import { readProc } from './read.ts';

/** Abilities of the processor as /proc/cpuinfo lists them: `flags` on x86, `Features` on arm64. */
export function parseCpuFlags(text: string): ReadonlySet<string> {
  // Processors of one machine may differ (big.LITTLE); a program may run on any, so what all have counts.
  const lists = [...text.matchAll(/^(?:flags|Features)\s*:(.*)$/gm)].map(
    (match) => new Set((match[1] ?? '').trim().split(/\s+/)),
  );
  const [first, ...rest] = lists;
  if (first === undefined) return new Set();
  return new Set([...first].filter((flag) => flag !== '' && rest.every((list) => list.has(flag))));
}

export async function readCpuFlags(): Promise<ReadonlySet<string>> {
  return parseCpuFlags((await readProc('/proc/cpuinfo')) ?? '');
}
