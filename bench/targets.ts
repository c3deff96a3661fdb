import { medianOf, type Quantity, type Row } from './figures.ts';
import type { Link, RunnerName, SizeMb } from './plan.ts';

/** Fewer runs than this are shown, but decide nothing. */
export const decisiveRuns = 5;

interface Side {
  readonly runner: RunnerName;
  readonly quantity: Quantity;
}

/** What Flick is to reach on one hop: at most `limit`, as a multiple of `reference` where there is one. */
export interface Target {
  readonly text: string;
  readonly sizeMb: SizeMb;
  readonly link: Link;
  readonly hop: 1 | 2;
  readonly quantity: Quantity;
  readonly reference: Side | undefined;
  readonly limit: number;
}

export type Verdict =
  | { readonly kind: 'reached' | 'missed'; readonly value: number }
  | { readonly kind: 'undecided'; readonly value: number; readonly reason: string }
  | { readonly kind: 'notMeasured'; readonly reason: string };

export interface Judged {
  readonly target: Target;
  readonly verdict: Verdict;
}

const hops = [1, 2] as const;
const tools = (runner: RunnerName): Side => ({ runner, quantity: 'toolMs' });
const podman: Side = { runner: 'podman', quantity: 'pauseMs' };

function pauseTargets(
  text: string,
  sizeMbs: readonly SizeMb[],
  reference: Side,
  limit: number,
): Target[] {
  return sizeMbs.flatMap((sizeMb) =>
    hops.map((hop) => ({
      ...{ text, sizeMb, link: 'full' as const, hop },
      ...{ quantity: 'pauseMs' as const, reference, limit },
    })),
  );
}

export const targets: readonly Target[] = [
  ...pauseTargets("pause to plain criu's dump + restore", [45], tools('criu'), 1.5),
  ...pauseTargets("pause to criu's lazy dump + lazy restore", [512, 2048], tools('criuLazy'), 1.3),
  ...pauseTargets("pause to Podman's", [45], podman, 1 / 10),
  ...pauseTargets("pause to Podman's", [512, 2048], podman, 1 / 20),
  ...(['pauseMs', 'wireBytes'] as const).map((quantity) => ({
    text: quantity === 'pauseMs' ? 'pause in ms' : 'bytes on the wire',
    ...{ sizeMb: 512 as const, link: '384kbit' as const, hop: 2 as const },
    ...{ quantity, reference: undefined, limit: quantity === 'pauseMs' ? 3000 : 3_000_000 },
  })),
];

/** Judges the targets of all that was to be measured; the others are left out. */
export function judge(rows: readonly Row[]): Judged[] {
  return targets
    .filter(({ sizeMb, link }) => rows.some((row) => row.sizeMb === sizeMb && row.link === link))
    .map((target) => ({ target, verdict: verdictOn(target, rows) }));
}

function verdictOn(target: Target, rows: readonly Row[]): Verdict {
  const find = (runner: RunnerName): Row | undefined =>
    rows.find(
      (row) =>
        row.runner === runner &&
        row.sizeMb === target.sizeMb &&
        row.link === target.link &&
        row.hop === target.hop,
    );
  const sides: Side[] = [{ runner: 'flick', quantity: target.quantity }];
  if (target.reference !== undefined) sides.push(target.reference);
  const medians: number[] = [];
  let runs = Infinity;
  for (const { runner, quantity } of sides) {
    const row = find(runner);
    const value = row === undefined ? undefined : medianOf(row, quantity);
    if (row === undefined || value === undefined) {
      return { kind: 'notMeasured', reason: row?.notMeasured ?? `${runner} was not run` };
    }
    medians.push(value);
    runs = Math.min(runs, row.runs.length);
  }
  const [own = NaN, reference = 1] = medians;
  const value = own / reference;
  if (runs < decisiveRuns) {
    return { kind: 'undecided', value, reason: `${String(runs)} of ${String(decisiveRuns)} runs` };
  }
  return { kind: value <= target.limit ? 'reached' : 'missed', value };
}
