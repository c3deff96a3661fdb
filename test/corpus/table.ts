import type { Record } from './campaign.ts';

/** What of a program's attempts came to what. */
export interface Tally {
  readonly moved: number;
  /** Of those that moved: how many needed more than one safe point. */
  readonly retried: number;
  readonly refused: number;
  readonly wrong: number;
  /** Had ended before they could be asked: no attempts. */
  readonly over: number;
  /** Of those that moved: how many took no longer than two seconds. */
  readonly swift: number;
  /** The time of the middle one of those that moved, in ms. */
  readonly middleMs: number | undefined;
  readonly sentences: readonly string[];
}

const limitMs = 2_000;

export function tally({ attempts }: Record): Tally {
  const outcomes = attempts.map(({ outcome }) => outcome);
  const moved = outcomes.filter((outcome) => outcome.kind === 'moved');
  const refused = outcomes.filter((outcome) => outcome.kind === 'refused');
  const times = moved.map(({ ms }) => ms).sort((one, other) => one - other);
  return {
    moved: moved.length,
    retried: moved.filter(({ tries }) => tries > 1).length,
    refused: refused.length,
    wrong: outcomes.filter(({ kind }) => kind === 'wrong').length,
    over: outcomes.filter(({ kind }) => kind === 'over').length,
    swift: times.filter((ms) => ms <= limitMs).length,
    middleMs: times[Math.floor(times.length / 2)],
    sentences: [...new Set(refused.map(({ sentence }) => sentence))],
  };
}

const columns = ['moved', 'retried', 'refused', 'wrong', 'over', 'ms'] as const;

/** A line for each program, and below it what its refusals said. */
export function formatTable(records: readonly Record[]): string {
  const width = Math.max(...records.map(({ program }) => program.name.length)) + 2;
  const head = `${'program'.padEnd(width)}${columns.map((name) => name.padStart(9)).join('')}`;
  const lines = records.flatMap((record) => {
    const { moved, retried, refused, wrong, over, middleMs, sentences } = tally(record);
    const cells = [moved, retried, refused, wrong, over, middleMs ?? '-'];
    const row = cells.map((cell) => String(cell).padStart(9)).join('');
    const reasons = sentences.map((sentence) => `    ${sentence.slice(0, 200)}`);
    return [`${record.program.name.padEnd(width)}${row}`, ...reasons];
  });
  return [head, ...lines].join('\n');
}

/** Of the programs that have no leave to be refused: which part of their attempts moved, from 0 to 1. */
export function share(records: readonly Record[], count: 'moved' | 'swift'): number {
  const due = records.filter(({ program }) => program.mayRefuse === undefined).map(tally);
  const all = due.reduce((sum, { moved, refused, wrong }) => sum + moved + refused + wrong, 0);
  return all === 0 ? 1 : due.reduce((sum, each) => sum + each[count], 0) / all;
}
