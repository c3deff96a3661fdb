import { sample } from '../../support/seed.ts';
import { storyOf } from '../deviceView.ts';
import { cells, faults, portableCells, portableRows, rows, type Cell } from './expected.ts';
import { Ground, places } from './ground.ts';
import { play } from './matrix.ts';

const title = ({ row, fault, expected }: Cell): string =>
  `${row.side} ${row.name}, ${fault}: ${expected}`;

/** How many cells `npm test` plays, and how many of them where the portable engine moves the program. */
const [sampled, portable] = [6, 1];

describe('the fault matrix', function () {
  this.timeout(200_000);
  let ground: Ground | undefined;
  const results = new Map<Cell, string>();

  after(async () => {
    await ground?.down();
    console.log(table(results));
  });

  for (const cell of [
    ...sample('faults', cells, sampled - portable),
    ...sample('portable faults', portableCells, portable),
  ]) {
    it(title(cell), async function () {
      ground ??= await Ground.up(this);
      try {
        results.set(cell, `✓ ${await play(ground, cell)}`);
      } catch (error) {
        results.set(cell, '✗');
        const logs = logsOf(ground);
        if (process.env['FLICK_FAULTS_SHOW'] !== undefined) console.log(error, logs);
        // What is left of a failure is no business of the next cell.
        await ground.down();
        ground = undefined;
        throw new Error(`${error instanceof Error ? error.message : String(error)}\n${logs}`, {
          cause: error,
        });
      }
    });
  }
});

function logsOf(ground: Ground): string {
  return places.map((place) => storyOf(ground.fixture.lab, place)).join('\n');
}

/** Rows are moments, columns are faults; a cell shows what became of the process, or that nothing can strike there. */
function table(results: ReadonlyMap<Cell, string>): string {
  const heading = ['', ...faults];
  const lines = [...rows, ...portableRows].map((row) => [
    `${row.side} ${row.name}`,
    ...faults.map((fault) => {
      const cell = [...cells, ...portableCells].find(
        (each) => each.row === row && each.fault === fault,
      );
      return cell === undefined ? '–' : (results.get(cell) ?? '·');
    }),
  ]);
  const all = [heading, ...lines];
  const widths = heading.map((_, column) =>
    Math.max(...all.map((line) => line[column]?.length ?? 0)),
  );
  return all
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
