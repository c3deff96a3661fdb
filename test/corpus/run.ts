// Works on programs of the corpus by hand:
//
//   node --import tsx test/corpus/run.ts [NAME…] [--route 20-24]… [--turns N] [--seed S] [--references]
//
// Without a name all of them, without a route all routes. --references moves nothing: it runs them on every
// Node.js, undisturbed and stopped for a while at random lines, and says which do not always show the same.
import { parseArgs } from 'node:util';
import { buildProgram, readCatalogue, type CorpusProgram } from './catalogue.ts';
import { isThere, parseRoute, routes } from './nodes.ts';
import { pairwise } from './pairwise.ts';
import { compare, perform } from './performance.ts';
import { formatTable, share } from './table.ts';

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    route: { type: 'string', multiple: true },
    turns: { type: 'string', default: '1' },
    seed: { type: 'string' },
    references: { type: 'boolean', default: false },
  },
});
if (options.seed !== undefined) process.env['FLICK_TEST_SEED'] = options.seed;

const catalogue = readCatalogue();
const unknown = names.filter((name) => !catalogue.some((program) => program.name === name));
if (unknown.length > 0) throw new Error(`no program of the corpus: ${unknown.join(', ')}`);
const programs = catalogue.filter(({ name }) => names.length === 0 || names.includes(name));
for (const program of programs) await buildProgram(program);
process.exitCode = options.references ? await compareReferences(programs) : await run(programs);

async function compareReferences(programs: readonly CorpusProgram[]): Promise<number> {
  const { seededRandom } = await import('../support/seed.ts');
  const nodes = (['20', '24', '26'] as const).filter((node) => isThere(node));
  const wrong = await pairwise(programs, async (program) => {
    const first = await perform(program, '20');
    const random = seededRandom(`stalls of ${program.name}`);
    const stall = (): number => Math.floor(random() * first.output.split('\n').length);
    const runs = nodes.flatMap((node) => [[node], [node, stall()], [node, stall()]] as const);
    for (const [node, stallAt] of runs) {
      const difference = compare(await perform(program, node, stallAt), first);
      if (difference === undefined) continue;
      const when = stallAt === undefined ? '' : `, stopped at line ${String(stallAt)}`;
      console.log(`${program.name} on Node ${node}${when}: ${difference}`);
      return 1;
    }
    return 0;
  });
  const count = wrong.filter((one) => one === 1).length;
  console.log(`${String(programs.length)} programs, ${String(count)} do not always show the same`);
  return Math.min(count, 1);
}

async function run(programs: readonly CorpusProgram[]): Promise<number> {
  // Loaded late: the seed is read when it is loaded.
  const { References, moveAtTurns } = await import('./campaign.ts');
  const references = new References();
  const wanted = options.route?.map(parseRoute) ?? routes;
  const records = await pairwise(programs, async (program) => {
    const attempts = [];
    for (const route of wanted) {
      attempts.push(...(await moveAtTurns(program, references, route, Number(options.turns))));
    }
    for (const { attempt, outcome } of attempts) {
      if (outcome.kind !== 'wrong') continue;
      console.log(`${program.name} ${JSON.stringify(attempt)}: ${outcome.what}\n`);
    }
    return { program, attempts };
  });
  console.log(formatTable(records));
  const [moved, swift] = [share(records, 'moved'), share(records, 'swift')];
  console.log(`moved ${(moved * 100).toFixed(1)} %, within 2 s ${(swift * 100).toFixed(1)} %`);
  const wrong = records.some(({ attempts }) =>
    attempts.some(({ outcome }) => outcome.kind === 'wrong'),
  );
  return wrong ? 1 : 0;
}
