const color = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

function paint(code: number, text: string): string {
  return color ? `\u001b[${code}m${text}\u001b[0m` : text;
}

export const bold = (text: string): string => paint(1, text);
export const dim = (text: string): string => paint(2, text);
export const green = (text: string): string => paint(32, text);

export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** One line a step, its bar as long as its share of the whole. */
export function timeline(steps: readonly { readonly label: string; readonly ms: number }[]): void {
  const width = 32;
  const total = steps.reduce((sum, { ms }) => sum + ms, 0) || 1;
  const longest = Math.max(...steps.map(({ label }) => label.length));
  let before = 0;
  for (const { label, ms } of steps) {
    const start = Math.round((before / total) * width);
    const length = Math.max(1, Math.round((ms / total) * width));
    before += ms;
    const bar = `${' '.repeat(start)}${'━'.repeat(Math.min(length, width + 1 - start))}`;
    say(`    ${label.padEnd(longest)}  ${`${ms.toFixed(0)} ms`.padStart(8)}  ${dim(bar)}`);
  }
}
