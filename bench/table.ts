import { medianOf, type Row } from './figures.ts';
import type { Judged } from './targets.ts';

type Cells = readonly string[];

/** Lines of a table whose columns are as wide as their widest cell; numbers to the right. */
export function layOut(heading: Cells, lines: readonly Cells[]): string[] {
  const all = [heading, ...lines];
  const widths = heading.map((_, column) =>
    Math.max(...all.map((cells) => (cells[column] ?? '').length)),
  );
  const rule = widths.map((width) => '-'.repeat(width));
  const isNumber = (text: string): boolean => /^[<\d–]/.test(text);
  return [heading, rule, ...lines].map((cells) =>
    widths
      .map((width, column) => {
        const text = cells[column] ?? '';
        return isNumber(text) ? text.padStart(width) : text.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
}

const none = '–';

/** A time in ms as people read it: `87 ms`, `1.43 s`, `212 s`. */
export function formatMs(ms: number | undefined): string {
  if (ms === undefined) return none;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return `${(ms / 1000).toFixed(ms < 100_000 ? 2 : 0)} s`;
}

/** Bytes in decimal units, as links are measured. */
export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return none;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e8 ? 2 : 0)} MB`;
}

const formatSize = (sizeMb: number): string => (sizeMb === 2048 ? '2 GB' : `${String(sizeMb)} MB`);

/** The measured medians, and below them why something is missing. */
export function resultTable(rows: readonly Row[]): string[] {
  const heading = [
    ...['process', 'link', 'hop', 'moved by', 'runs'],
    ...['pause', 'gaps > 20 ms', 'total', 'on the wire', 'dump + restore'],
  ];
  const lines = rows.map((row) => [
    ...[formatSize(row.sizeMb), row.link, String(row.hop), row.runner, String(row.runs.length)],
    ...[formatMs(medianOf(row, 'pauseMs')), formatMs(medianOf(row, 'gapsMs'))],
    ...[formatMs(medianOf(row, 'totalMs')), formatBytes(medianOf(row, 'wireBytes'))],
    formatMs(medianOf(row, 'toolMs')),
  ]);
  const reasons = new Set(
    rows.flatMap((row) =>
      row.notMeasured === undefined
        ? []
        : [
            `not measured: ${row.runner}, ${formatSize(row.sizeMb)}, ${row.link}: ${row.notMeasured}`,
          ],
    ),
  );
  return [...layOut(heading, lines), ...(reasons.size > 0 ? ['', ...reasons] : [])];
}

/** What was to be reached, and whether it was. */
export function targetTable(judged: readonly Judged[]): string[] {
  const heading = ['', 'process', 'link', 'hop', 'target', 'at most', 'measured'];
  const number = (value: number): string =>
    value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  const lines = judged.map(({ target, verdict }) => [
    { reached: '✔', missed: '✘', undecided: '?', notMeasured: none }[verdict.kind],
    ...[formatSize(target.sizeMb), target.link, String(target.hop), target.text],
    number(target.limit),
    verdict.kind === 'notMeasured'
      ? `not measured: ${verdict.reason}`
      : `${number(verdict.value)}${verdict.kind === 'undecided' ? ` (${verdict.reason})` : ''}`,
  ]);
  return layOut(heading, lines);
}
