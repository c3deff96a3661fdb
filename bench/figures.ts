import type { Link, RunnerName, SizeMb } from './plan.ts';

/** What one hop of one process cost. Times in ms. */
export interface Figures {
  /** The longest gap that the heartbeat felt. */
  readonly pauseMs: number;
  /** The sum of all gaps over 20 ms until the last page was in. */
  readonly gapsMs: number;
  /** From the first command until the last page was in. */
  readonly totalMs: number;
  /** What went over the target's link, both directions, everything included. */
  readonly wireBytes: number;
  /** How long the tools worked that Flick is compared with: dumping and restoring, no copying. */
  readonly toolMs: number | undefined;
  /** The longest gap in the two seconds before the hop: what the machine does to a process at rest. */
  readonly restMs: number;
  /** The machine's load average over the last minute when the hop began. */
  readonly load: number;
  /** Resident memory of the process after the hop, in bytes. */
  readonly residentBytes: number;
  /** Where the time went, in the runner's own words. */
  readonly parts: Readonly<Record<string, number>>;
}

/** One line of the table: the same hop, measured several times. */
export interface Row {
  readonly sizeMb: SizeMb;
  readonly link: Link;
  readonly hop: 1 | 2;
  readonly runner: RunnerName;
  readonly runs: readonly Figures[];
  /** Why runs are missing, one sentence each; undefined where none is. */
  readonly notMeasured: string | undefined;
}

/** The middle of some numbers, of two middles the mean; undefined where there is none. */
export function median(numbers: readonly number[]): number | undefined {
  const sorted = [...numbers].sort((one, other) => one - other);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

export type Quantity = 'pauseMs' | 'gapsMs' | 'totalMs' | 'wireBytes' | 'toolMs';

/** The median of one quantity over the runs of a row. */
export function medianOf(row: Row, quantity: Quantity): number | undefined {
  return median(row.runs.flatMap((run) => run[quantity] ?? []));
}
