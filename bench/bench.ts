import type { Figures, Row } from './figures.ts';
import { lackingFor } from './machine.ts';
import { measureCase } from './measure.ts';
import { casesOf, type Case, type Selection } from './plan.ts';
import type { Runners } from './runners/runners.ts';
import type { Stage } from './stage.ts';

export interface BenchOptions {
  readonly selection: Selection;
  readonly repetitions: number;
  /** A hop that takes longer is given up. */
  readonly limitMs: number;
  readonly say: (line: string) => void;
  /** Called after each process with all that is known so far. */
  readonly onRows: (rows: readonly Row[]) => void;
}

/** All figures of one case so far. */
interface Collected {
  readonly runs: Map<1 | 2, Figures[]>;
  notMeasured: string | undefined;
}

/**
 * Measures the cases of a selection. The runners take turns, so that a machine that is busy for a
 * while is so for all of them. What fails is said and not tried again.
 */
export async function runBench(
  stage: Stage,
  runners: Runners,
  options: BenchOptions,
): Promise<Row[]> {
  const cases = casesOf(options.selection);
  const collected = new Map<Case, Collected>(
    cases.map((each) => [
      each,
      { runs: new Map(each.hops.map((hop) => [hop, []])), notMeasured: undefined },
    ]),
  );
  for (const group of groupsOf(cases)) {
    for (let repetition = 1; repetition <= options.repetitions; repetition += 1) {
      for (const each of group) {
        const into = collected.get(each);
        if (into === undefined || into.notMeasured !== undefined) continue;
        const { sizeMb, link, runner } = each;
        options.say(`${runner}, ${String(sizeMb)} MB, ${link}, run ${String(repetition)}`);
        try {
          const lacking = lackingFor(sizeMb, stage.folder);
          if (lacking !== undefined) throw new Error(lacking);
          await measureCase(
            stage,
            await runners.get(runner),
            each,
            options.limitMs,
            (hop, figures) => into.runs.get(hop)?.push(figures),
          );
        } catch (error) {
          into.notMeasured = inOneLine(error);
          options.say(`  not measured: ${into.notMeasured}`);
        }
        options.onRows(rowsOf(collected));
      }
    }
  }
  return rowsOf(collected);
}

/** The cases of the same process and link, which take turns. */
function groupsOf(cases: readonly Case[]): Case[][] {
  const groups = new Map<string, Case[]>();
  for (const each of cases) {
    const key = `${each.link} ${String(each.sizeMb)}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()];
}

function rowsOf(collected: ReadonlyMap<Case, Collected>): Row[] {
  const hops = [1, 2] as const;
  const cases = [...collected];
  return groupsOf(cases.map(([each]) => each)).flatMap((group) =>
    hops.flatMap((hop) =>
      group.flatMap((each) => {
        const { runs, notMeasured } = collected.get(each) ?? {};
        const figures = runs?.get(hop);
        if (figures === undefined) return [];
        const { sizeMb, link, runner } = each;
        return [{ sizeMb, link, hop, runner, runs: figures, notMeasured }];
      }),
    ),
  );
}

function inOneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 300);
}
