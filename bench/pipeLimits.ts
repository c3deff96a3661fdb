import { readFileSync, writeFileSync } from 'node:fs';

/**
 * What a lazy dump needs where root lacks CAP_SYS_RESOURCE: CRIU keeps the pages in pipes, and
 * their sizes are limited (pipe(7), /proc files).
 */
const wanted = [
  {
    file: '/proc/sys/fs/pipe-max-size',
    value: 268_435_456,
    isEnough: (now: number) => now >= 268_435_456,
  },
  { file: '/proc/sys/fs/pipe-user-pages-soft', value: 0, isEnough: (now: number) => now === 0 },
] as const;

/**
 * Raises the machine's limits on pipes where they are too low for a lazy dump.
 * @returns what puts them back as they were
 */
export function raisePipeLimits(): () => void {
  const changed: { file: string; before: string }[] = [];
  for (const { file, value, isEnough } of wanted) {
    const before = readFileSync(file, 'utf8').trim();
    if (isEnough(Number(before))) continue;
    writeFileSync(file, String(value));
    changed.push({ file, before });
  }
  return () => {
    for (const { file, before } of changed) writeFileSync(file, before);
  };
}
