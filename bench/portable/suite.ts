import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../figures.ts';
import { PortableSubject, type Move } from './subject.ts';

/** Ratios of the time that a benchmark of the processor takes in an untouched process to what it takes in this one. */
export interface Speed {
  /** Before anything was done to it: what two processes differ by anyway. */
  readonly before: number;
  readonly afterRefusal: number;
  readonly afterMove: number;
}

export interface PortableRow {
  readonly program: string;
  readonly moves: readonly Move[];
  readonly speeds: readonly Speed[];
  /** Why runs are missing; undefined where none is. */
  readonly notMeasured: string | undefined;
}

interface PortableCase {
  readonly program: string;
  readonly file: string;
  readonly args: readonly string[];
}

/** The programs that are moved. */
const cases: readonly PortableCase[] = [
  { program: 'Express', file: 'express.cjs', args: [] },
  { program: '100,000 objects', file: 'objects.cjs', args: ['100000'] },
  { program: '1,000,000 objects', file: 'objects.cjs', args: ['1000000'] },
];
export const speedProgram = 'processor';

/** How long a program runs undisturbed before it is moved, in ms. */
const restMs = 700;
/** Comparisons of two processes that make one ratio: single ones of some 30 ms differ by a tenth either way. */
const comparisons = 21;
/** Runs until a fresh process has compiled what is hot; the second one still takes twice as long as the fourth. */
const warmUps = 3;

export interface SuiteOptions {
  readonly repetitions: number;
  readonly quick: boolean;
  readonly say: (line: string) => void;
  readonly onRows: (rows: readonly PortableRow[]) => void;
}

/** Measures the portable engine: programs that move into a fresh process on this machine. */
export async function runPortable(options: SuiteOptions): Promise<PortableRow[]> {
  const chosen = options.quick ? cases.slice(0, 1) : cases;
  const names = [...chosen.map(({ program }) => program), speedProgram];
  const rows = new Map<string, { moves: Move[]; speeds: Speed[]; notMeasured?: string }>(
    names.map((name) => [name, { moves: [], speeds: [] }]),
  );
  const all = (): PortableRow[] =>
    [...rows].map(([program, { notMeasured, ...row }]) => ({ program, ...row, notMeasured }));
  for (let repetition = 1; repetition <= options.repetitions; repetition += 1) {
    for (const [name, row] of rows) {
      if (row.notMeasured !== undefined) continue;
      options.say(`portable engine, ${name}, run ${String(repetition)}`);
      const found = chosen.find(({ program }) => program === name);
      try {
        if (found === undefined) row.speeds.push(await measureSpeed());
        else row.moves.push(await measureMove(found));
      } catch (error) {
        row.notMeasured = error instanceof Error ? error.message : String(error);
        options.say(`  not measured: ${row.notMeasured}`);
      }
      options.onRows(all());
    }
  }
  return all();
}

async function measureMove({ file, args }: PortableCase): Promise<Move> {
  const subject = new PortableSubject(file, args);
  try {
    await subject.says(({ ready }) => ready !== undefined);
    await sleep(restMs);
    const move = await subject.move();
    if (args.length > 0) {
      const { whole } = await subject.ask((line) => line.whole !== undefined);
      if (whole !== true) throw new Error('the objects arrived wrong');
    }
    return move;
  } finally {
    subject.end();
  }
}

/** The processes take turns, so that a machine that is busy for a while is so for both. */
async function measureSpeed(): Promise<Speed> {
  const untouched = new PortableSubject('cpu.cjs', ['-1']);
  const runs = 2 * (comparisons + warmUps);
  const subject = new PortableSubject('cpu.cjs', [String(runs)]);
  const compare = async (): Promise<number> => {
    const ratios: number[] = [];
    for (let index = 0; index < warmUps + comparisons; index += 1) {
      const [own, other] = [await time(subject), await time(untouched)];
      if (index >= warmUps) ratios.push(other / own);
    }
    return median(ratios) ?? NaN;
  };
  try {
    for (const each of [untouched, subject]) await each.says(({ ready }) => ready !== undefined);
    const before = await compare();
    await subject.refuse();
    const afterRefusal = await compare();
    await subject.move();
    return { before, afterRefusal, afterMove: await compare() };
  } finally {
    untouched.end();
    subject.end();
  }
}

async function time(subject: PortableSubject): Promise<number> {
  const { ms = NaN } = await subject.ask((line) => line.ms !== undefined);
  return ms;
}
