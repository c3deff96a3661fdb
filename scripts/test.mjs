// Runs all tests of the house: the build and the check count as a test each, then mocha suites.
//
//   test [--full] [--grep TEXT] [--no-build] [PATH…]
//
// A PATH (a file or a folder under test/) runs only those specs, without the check. Most specs wait for devices and
// links rather than for the processor, so one run of mocha more than there are processors goes on at a time, up to three,
// except for those that must be alone.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './provision/common.mjs';

const { values: options, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: 'boolean', default: false },
    grep: { type: 'string' },
    'no-build': { type: 'boolean', default: false },
  },
});

const seed = process.env['FLICK_TEST_SEED'] ?? String(randomInt(2 ** 31));
const env = {
  ...process.env,
  FLICK_TEST_SEED: seed,
  ...(options.full ? { FLICK_TEST_FULL: '1' } : {}),
};
const output = join(root, 'test-output');
// Longer than any suite takes; a suite that hangs must not hang the run.
const suiteLimitMs = (options.full ? 180 : 30) * 60_000;

/**
 * A suite has the specs of its rooms; the first takes what no other one has. `perFile`: each spec is a run of its own.
 * `alone`: nothing runs beside it, since it measures times or uses a screen. `ownNetwork`: it runs in a network of its
 * own, since programs that move take the debugger's port 9229 for a moment, which tests of the debugger want as well.
 */
const suites = [
  { name: 'unit', rooms: [] },
  // Early, since one of its specs is among the longest.
  { name: 'corpus', rooms: ['corpus'], perFile: true, ownNetwork: ['corpus'] },
  {
    name: 'system',
    rooms: ['lab', 'system', 'bench'],
    perFile: true,
    alone: ['system/agentLoad.test.ts', 'system/debugSpeed.test.ts'],
    ownNetwork: ['system/noRoot.test.ts'],
  },
  { name: 'vscode', rooms: ['e2e'], alone: ['e2e'] },
];
const lanes = Math.min(3, availableParallelism() + 1);

/** @typedef {{ result: string, suite: string, title: string, file?: string, reason?: string }} Entry */
/** @typedef {{ suite: string, title: string, specs: string[], alone: boolean, ownNetwork: boolean }} Run of mocha */

/** @type {Entry[]} */
const results = [];

/**
 * @param {readonly string[]} argv
 * @param {number} limitMs
 * @param {boolean} isShared whether another one runs beside it: what it prints is then printed when it has ended
 * @returns {Promise<string | undefined>} what went wrong
 */
function spawnStep([command, ...args], limitMs, isShared = false) {
  return new Promise((done) => {
    const output = isShared ? 'pipe' : 'inherit';
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', output, output] });
    const printed = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => printed.push(chunk));
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.on('error', (error) => done(error.message));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      process.stdout.write(Buffer.concat(printed));
      if (code === 0) done(undefined);
      else done(signal === null ? `exit status ${String(code)}` : `ended by ${signal}`);
    });
  });
}

/** A command of the house that counts as one test. */
async function runHouse(command) {
  console.log(`\n— ${command} —`);
  const argv = [process.execPath, join(root, 'scripts', 'run.mjs'), command];
  const reason = await spawnStep(argv, 10 * 60_000);
  const title = `npm run ${command}`;
  results.push({
    result: reason === undefined ? 'passed' : 'failed',
    suite: 'house',
    title,
    reason,
  });
}

/** @returns {string[]} the spec files under a folder, absolute and in order */
function specsUnder(path) {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => join(path, name));
}

function pathInTest(spec) {
  return relative(join(root, 'test'), spec);
}

function roomOf(spec) {
  return pathInTest(spec).split('/')[0];
}

/** @param {Run} run */
async function runMocha({ suite, title, specs, ownNetwork }, isShared) {
  const what = specs.length === 1 ? title : `${title}: ${String(specs.length)} spec files`;
  console.log(`\n— ${what}${isShared ? ', begun' : ''} —`);
  const begun = Date.now();
  // The process in the name: a test of this runner runs it a second time meanwhile.
  const name = `${title.replaceAll(/[^a-z]+/gi, '-')}-${String(process.pid)}`;
  const file = join(output, `results-${name}.jsonl`);
  const argv = [
    ...(ownNetwork ? ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'] : []),
    ...[process.execPath, '--import', 'tsx', join(root, 'node_modules/mocha/bin/mocha.js')],
    ...['--exit', '--timeout', '60000', '--reporter', join(root, 'scripts/mochaReporter.cjs')],
    ...['--reporter-option', `output=${file}`],
    ...(env['CI'] === undefined ? [] : ['--forbid-only']),
    ...(options.grep === undefined ? [] : ['--grep', options.grep]),
    ...specs,
  ];
  const reason = await spawnStep(argv, suiteLimitMs, isShared);
  if (isShared) console.log(`— ${title}, ended after ${String(seconds(begun))} s —`);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  rmSync(file, { force: true });
  const entries = lines.filter((line) => line !== '').map((line) => JSON.parse(line));
  const counted = entries.filter((entry) => entry.result !== 'end');
  results.push(...counted.map((entry) => ({ ...entry, suite })));
  const ended = entries.some((entry) => entry.result === 'end');
  const failed = counted.some((entry) => entry.result === 'failed');
  if (!ended || (reason !== undefined && !failed)) {
    const file = specs.length === 1 ? relative(root, specs[0]) : undefined;
    const title = `the ${suite} suite runs to its end`;
    results.push({ result: 'failed', suite, title, file, reason: reason ?? 'no result' });
  }
}

/** @param {Run[]} runs those that must be alone come last, one after the other */
async function runAll(runs) {
  const shared = runs.filter(({ alone }) => !alone);
  const isShared = shared.length > 1 && lanes > 1;
  const waiting = [...shared];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await runMocha(next, isShared);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  for (const run of runs.filter(({ alone }) => alone)) await runMocha(run, false);
}

function seconds(begun) {
  return Math.round((Date.now() - begun) / 1000);
}

function list(heading, entries) {
  if (entries.length === 0) return;
  console.log(`\n${heading}:`);
  for (const { suite, title, file, reason } of entries) {
    const where = file === undefined || file === '' ? suite : file;
    console.log(`  ${title} (${where})\n    ${(reason ?? '').replaceAll('\n', '\n    ')}`);
  }
}

mkdirSync(output, { recursive: true });
console.log(`seed ${seed} (again with FLICK_TEST_SEED=${seed})`);
if (!options['no-build']) await runHouse('build');
if (paths.length === 0) await runHouse('check');

const specs = (paths.length === 0 ? ['test'] : paths).flatMap((path) => specsUnder(resolve(path)));
const taken = suites.flatMap(({ rooms }) => rooms);
/** @type {Run[]} */
const runs = [];
for (const { name, rooms, perFile, alone = [], ownNetwork = [] } of suites) {
  const own = specs.filter((spec) =>
    rooms.length === 0 ? !taken.includes(roomOf(spec)) : rooms.includes(roomOf(spec)),
  );
  const isAmong = (those, spec) => those.some((each) => pathInTest(spec).startsWith(each));
  const add = (title, specs) => {
    const [first] = specs;
    const how = { alone: isAmong(alone, first), ownNetwork: isAmong(ownNetwork, first) };
    runs.push({ suite: name, title, specs, ...how });
  };
  if (own.length === 0) continue;
  if (!perFile) add(name, own);
  else for (const spec of own) add(`${name}: ${relative(root, spec)}`, [spec]);
}
await runAll(runs);

const of = (result) => results.filter((entry) => entry.result === result);
list('Skipped', of('skipped'));
list('Failed', of('failed'));
console.log(`\nseed ${seed}`);
const counts = { passed: of('passed').length, failed: of('failed').length };
const skipped = of('skipped').length;
const specResults = results.filter(
  (entry) => entry.suite !== 'house' && entry.result !== 'skipped',
);
if (specResults.length === 0) console.log('no test ran');
console.log(
  `${String(counts.passed)} passed, ${String(counts.failed)} failed` +
    (skipped > 0 ? `, ${String(skipped)} skipped` : ''),
);
process.exitCode = counts.failed > 0 || specResults.length === 0 ? 1 : 0;
