import { median } from '../figures.ts';
import { layOut, formatBytes, formatMs } from '../table.ts';
import { decisiveRuns } from '../targets.ts';
import { speedProgram, type PortableRow } from './suite.ts';

interface PortableTarget {
  readonly program: string;
  readonly text: string;
  readonly limit: number;
  /** `most` for what must not be above the limit, `least` for what must not be below. */
  readonly bound: 'most' | 'least';
  /** The figures of all runs. */
  readonly of: (row: PortableRow) => readonly number[];
}

export interface PortableVerdict {
  readonly program: string;
  readonly text: string;
  readonly bound: 'most' | 'least';
  readonly limit: number;
  readonly kind: 'reached' | 'missed' | 'undecided' | 'notMeasured';
  /** The median. */
  readonly value: number | undefined;
}

const pauses = (row: PortableRow): number[] => row.moves.map(({ pauseMs }) => pauseMs);
const restores = (row: PortableRow): number[] =>
  row.moves.map(({ restoreMs, captureMs }) => restoreMs / captureMs);
const memories = (row: PortableRow): number[] => row.moves.map(({ memory }) => memory);
const pause = (program: string, limit: number): PortableTarget => ({
  ...{ program, text: 'pause in ms', limit, bound: 'most', of: pauses },
});

const targets: readonly PortableTarget[] = [
  pause('Express', 400),
  pause('100,000 objects', 1500),
  pause('1,000,000 objects', 15_000),
  ...['Express', '100,000 objects', '1,000,000 objects'].map((program): PortableTarget => ({
    ...{ program, text: 'restore to capture', limit: 1, bound: 'most', of: restores },
  })),
  {
    ...{ program: '1,000,000 objects', text: 'memory to that before', limit: 2.5, bound: 'most' },
    of: memories,
  },
  {
    // Nothing of the engine is in it then: what this is off from 1 is what the machine cannot tell.
    ...{ program: speedProgram, text: 'speed before a move', limit: 0.98, bound: 'least' },
    of: (row) => row.speeds.map(({ before }) => before),
  },
  {
    ...{ program: speedProgram, text: 'speed after a refused move', limit: 0.98, bound: 'least' },
    of: (row) => row.speeds.map(({ before, afterRefusal }) => afterRefusal / before),
  },
  {
    ...{ program: speedProgram, text: 'speed after a move', limit: 0.95, bound: 'least' },
    of: (row) => row.speeds.map(({ before, afterMove }) => afterMove / before),
  },
];

/** Judges the targets of all that was to be measured. */
export function judgePortable(rows: readonly PortableRow[]): PortableVerdict[] {
  return targets.flatMap(({ program, text, bound, limit, of }) => {
    const row = rows.find((each) => each.program === program);
    if (row === undefined) return [];
    const numbers = of(row);
    const value = median(numbers);
    const isReached = value !== undefined && (bound === 'most' ? value <= limit : value >= limit);
    const decided = isReached ? 'reached' : 'missed';
    const known = numbers.length < decisiveRuns ? 'undecided' : decided;
    return [
      { program, text, bound, limit, kind: value === undefined ? 'notMeasured' : known, value },
    ];
  });
}

/** The medians of what was measured, and the targets. */
export function portableTables(rows: readonly PortableRow[]): string[] {
  const heading = ['program', 'runs', 'pause', 'capture', 'restore', 'memory', 'capsule'];
  const moved = rows.filter(({ program }) => program !== speedProgram);
  const lines = moved.map(({ program, moves }) => {
    const of = (name: 'pauseMs' | 'captureMs' | 'restoreMs' | 'memory' | 'capsuleBytes') =>
      median(moves.map((move) => move[name]));
    return [
      ...[program, String(moves.length)],
      ...[formatMs(of('pauseMs')), formatMs(of('captureMs')), formatMs(of('restoreMs'))],
      ...[`${of('memory')?.toFixed(2) ?? '–'} ×`, formatBytes(of('capsuleBytes'))],
    ];
  });
  const reasons = rows.flatMap(({ program, notMeasured }) =>
    notMeasured === undefined ? [] : [`not measured: ${program}: ${notMeasured}`],
  );
  const marks = { reached: '✔', missed: '✘', undecided: '?', notMeasured: '–' };
  const judged = judgePortable(rows).map(({ kind, program, text, bound, limit, value }) => [
    ...[marks[kind], program, text, `at ${bound} ${String(limit)}`],
    value === undefined ? '–' : String(Number(value.toPrecision(3))),
  ]);
  return [
    ...layOut(heading, lines),
    ...reasons,
    '',
    ...layOut(['', 'program', 'target', 'limit', 'measured'], judged),
  ];
}
