import assert from 'node:assert/strict';
import { isFullRun, sample, seededRandom } from '../support/seed.ts';
import { skip } from '../support/skip.ts';
import { moveAtTurns, References, type Record } from './campaign.ts';
import { buildProgram, readCatalogue, type CorpusProgram } from './catalogue.ts';
import { isThere, routes, type NodeName, type Route } from './nodes.ts';
import { pairwise } from './pairwise.ts';
import { compare, perform } from './performance.ts';
import { formatTable, share } from './table.ts';

const catalogue = readCatalogue();
const moving = isFullRun ? catalogue : sample('corpus programs', catalogue, 8);
const compared = sample('corpus references', catalogue, 2);
/** Of each route in a full run: twenty of a program in all. */
const turnsPerRoute = 4;

/** In a full run every route, otherwise one that is drawn for each program, of those on which all have been right. */
function routesOf(program: CorpusProgram): readonly Route[] {
  const all = routes.filter((route) => route.every((node) => isThere(node)));
  if (isFullRun) return all;
  const there = all.filter((route) => route.length === 2 && route[0] === '20');
  const drawn = there[Math.floor(seededRandom(`route of ${program.name}`)() * there.length)];
  return drawn === undefined ? [] : [drawn];
}

describe('the corpus', function () {
  // Every program at 20 turns takes some two hours: one turn of each on one route takes four to seven minutes.
  this.timeout(isFullRun ? 150 * 60_000 : 180_000);
  const references = new References();
  const records = new Map<string, Record>();

  before(async function () {
    if (!isThere('20')) skip(this, 'the tests do not run on Node 20 here');
    for (const program of new Set([...moving, ...compared])) await buildProgram(program);
  });

  it('has a program for everything that holds state', () => {
    assert.ok(catalogue.length >= 60, `${String(catalogue.length)} programs`);
  });

  it('shows the same on every Node.js, also when it stands still for a while', async () => {
    const nodes: readonly NodeName[] = ['20', '24', '26'];
    const there = nodes.filter((node) => isThere(node));
    await pairwise(compared, async (program) => {
      const reference = await references.of(program, '20');
      const random = seededRandom(`stalls of ${program.name}`);
      for (const node of there) {
        const stallAt = Math.floor(random() * reference.output.split('\n').length);
        const difference = compare(await perform(program, node, stallAt), reference);
        assert.equal(difference, undefined, `${program.name} on Node ${node}`);
      }
    });
  });

  describe('moved', () => {
    before(async () => {
      const all = await pairwise(moving, async (program): Promise<Record> => {
        const attempts = [];
        for (const route of routesOf(program)) {
          const count = isFullRun ? turnsPerRoute : 1;
          attempts.push(...(await moveAtTurns(program, references, route, count)));
        }
        return { program, attempts };
      });
      for (const record of all) records.set(record.program.name, record);
      console.log(formatTable(all));
    });

    for (const { name, survives, refuses } of moving) {
      it(`${name}: ${survives}`, () => {
        const attempts = records.get(name)?.attempts ?? [];
        const wrong = attempts.flatMap(({ attempt, outcome }) =>
          outcome.kind === 'wrong' ? [`${JSON.stringify(attempt)}: ${outcome.what}`] : [],
        );
        assert.deepEqual(wrong, []);
        assert.ok(attempts.length > 0);
        if (refuses === undefined) return;
        for (const { outcome } of attempts) {
          // How far it has come when it is asked depends on the machine.
          if (outcome.kind === 'over') continue;
          assert.ok(outcome.kind === 'refused', `${name} was ${outcome.kind}`);
          assert.match(outcome.sentence, new RegExp(refuses, 'i'));
        }
      });
    }

    it('moves most of what has no leave to be refused', () => {
      // A sample says little about a share near its bound: all of it is far above this.
      const moved = share([...records.values()], 'moved');
      assert.ok(moved > 0.5, String(moved));
    });

    // Nothing on a busy machine.
    if (!isFullRun) return;
    it('moves at least 85 of 100 attempts within two seconds', () => {
      const all = [...records.values()];
      const [moved, swift] = [share(all, 'moved'), share(all, 'swift')];
      console.log(
        `moved ${(moved * 100).toFixed(1)} %, in two seconds ${(swift * 100).toFixed(1)} %`,
      );
      assert.ok(swift >= 0.85, `${String(moved)}, ${String(swift)}`);
    });
  });
});
