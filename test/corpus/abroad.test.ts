import assert from 'node:assert/strict';
import { isFullRun } from '../support/seed.ts';
import { skip } from '../support/skip.ts';
import { moveAtTurns, References } from './campaign.ts';
import { buildProgram, readCatalogue, type CorpusProgram } from './catalogue.ts';
import { abroad, isThere } from './nodes.ts';
import { pairwise } from './pairwise.ts';
import { serve } from './real/journey.ts';
import { expressVisitor } from './real/servers.ts';

/** What a program of any size is made of. */
const core = [
  'async-calls',
  'async-generators',
  'builtin-subclasses',
  'collections',
  'esm-live-bindings',
  'generators',
  'http-server',
  'private-members',
  'promise-combinators',
  'shared-closures',
  'timers',
  'typed-arrays',
];
/** Waits for its input until it has been moved: nothing but its own fault can keep it from both moves. */
const patient = 'readline-questions';
const programs = readCatalogue().filter(({ name }) => name === patient || core.includes(name));
const turns = isFullRun ? 3 : 1;
/** An emulated program does much of what is left of it until it can be captured. */
const until = 0.3;

describe('programs move to another architecture and back', function () {
  // Emulated, and beside other work: many times what it takes.
  this.timeout(15 * 60_000);
  const failures = new Map<string, string>();
  const kinds: string[] = [];
  const { name: express } = expressVisitor();

  before(async function () {
    const missing = abroad.find((node) => !isThere(node));
    if (missing !== undefined) skip(this, `Node ${missing} could not be had on this machine`);
    for (const program of programs) await buildProgram(program);
    // Two at a time: each waits for the processor of one.
    const journeys: (readonly [string, () => Promise<void>])[] = [
      [express, () => serve(expressVisitor(), abroad)],
      ...programs.map((program) => [program.name, () => perform(program, kinds)] as const),
    ];
    await pairwise(journeys, async ([name, travel]) => {
      await travel().catch((error: unknown) => {
        failures.set(name, error instanceof Error ? (error.stack ?? error.message) : String(error));
      });
    });
  });

  it('has every program of the core', () => {
    assert.equal(programs.length, core.length + 1);
  });

  for (const { name, survives } of programs) {
    it(`${name}: ${survives}`, () => assert.equal(failures.get(name), undefined));
  }

  it('most of them without being refused', () => {
    const count = (kind: string): number => kinds.filter((each) => each === kind).length;
    assert.ok(count('moved') > 2 * count('refused'), kinds.join());
  });

  it(express, () => assert.equal(failures.get(express), undefined));
});

async function perform(program: CorpusProgram, kinds: string[]): Promise<void> {
  for (const { outcome } of await moveAtTurns(program, new References(), abroad, turns, until)) {
    const story = JSON.stringify(outcome);
    console.log(`${program.name}: ${story}`);
    kinds.push(outcome.kind);
    // How far it has come when it is asked depends on the machine, and some places are refused.
    assert.notEqual(outcome.kind, 'wrong', story);
    if (program.name === patient) assert.ok(outcome.kind === 'moved' && outcome.hops === 2, story);
  }
}
