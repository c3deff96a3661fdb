import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary.ts';
import type { Record } from './campaign.ts';
import { readCatalogue, type CorpusProgram } from './catalogue.ts';
import type { Outcome } from './moving.ts';
import { isThere, parseRoute } from './nodes.ts';
import { pairwise } from './pairwise.ts';
import { compare, perform } from './performance.ts';
import { formatTable, share, tally } from './table.ts';

const program: CorpusProgram = {
  name: 'sample',
  file: '/none',
  source: '/none',
  survives: 'nothing',
  mayRefuse: undefined,
  refuses: undefined,
  input: [],
  recipe: undefined,
};

function recordOf(outcomes: readonly Outcome[], over: Partial<CorpusProgram> = {}): Record {
  const attempt = { route: ['20', '24'], turns: [] } as const;
  return {
    program: { ...program, ...over },
    attempts: outcomes.map((outcome) => ({ attempt, outcome })),
  };
}

describe('the harness of the corpus', () => {
  it('finds a line that is missing, one that came twice, and another exit status', () => {
    const reference = { output: '1\n2\n3\n', ended: 0 };
    assert.equal(compare({ ...reference }, reference), undefined);
    assert.match(compare({ output: '1\n3\n', ended: 0 }, reference) ?? '', /^line 2 of 4 is "3"/);
    assert.match(compare({ output: '1\n2\n2\n3\n', ended: 0 }, reference) ?? '', /^line 3/);
    assert.match(compare({ output: '1\n2\n3\n4\n', ended: 0 }, reference) ?? '', /is "4"/);
    assert.match(compare({ ...reference, ended: 'SIGSEGV' }, reference) ?? '', /SIGSEGV/);
  });

  it('counts what moved in time, refusals against those that have no leave, and not what had ended', () => {
    const records = [
      recordOf([
        { kind: 'moved', ms: 500, tries: 1, hops: 1 },
        { kind: 'moved', ms: 2_500, tries: 3, hops: 1 },
        { kind: 'refused', sentence: 'Cannot move yet.' },
        { kind: 'wrong', what: 'line 1' },
        { kind: 'over' },
      ]),
      recordOf([{ kind: 'refused', sentence: 'It has a worker.' }], { mayRefuse: 'Worker' }),
    ];
    const [first] = records;
    assert.ok(first !== undefined);
    const { moved, retried, refused, wrong, over, swift, middleMs } = tally(first);
    assert.deepEqual([moved, retried, refused, wrong, over, swift], [2, 1, 1, 1, 1, 1]);
    assert.equal(middleMs, 2_500);
    assert.deepEqual([share(records, 'moved'), share(records, 'swift')], [0.5, 0.25]);
    assert.match(formatTable(records), /^sample +2 +1 +1 +1 +1 +2500\n +Cannot move yet\.$/m);
  });

  it('reads heads of programs, and takes files without one for parts of others', () => {
    const folder = temporaryFolder();
    try {
      const head = '// Must survive: all\n// may refuse: x\n// refuses: y\n// input: a;b c;d\n';
      writeFileSync(join(folder.path, 'one.cjs'), `${head}console.log(1);\n`);
      writeFileSync(join(folder.path, 'part.cjs'), 'exports.x = 1;\n');
      const [one, ...others] = readCatalogue(folder.path);
      assert.deepEqual(others, []);
      assert.deepEqual(
        [one?.name, one?.survives, one?.mayRefuse, one?.refuses, one?.input],
        ['one', 'all', 'x', 'y', ['a', 'b c', 'd']],
      );
    } finally {
      folder.remove();
    }
  });

  it('types for a program what it asks for, and sees how it ends', async function () {
    if (!isThere('20')) skip(this, 'the tests do not run on Node 20 here');
    const folder = temporaryFolder();
    try {
      const file = join(folder.path, 'asking.cjs');
      const script = `console.log('? 1');
        process.stdin.on('data', (text) => {
          console.log('got', String(text).trim());
          if (String(text) !== 'two\\n') return console.log('? 2');
          console.log('end');
          process.exit(23);
        });`;
      writeFileSync(file, script);
      const asking = { ...program, file, input: ['one', 'two'] };
      for (const stallAt of [undefined, 1]) {
        const { output, ended } = await perform(asking, '20', stallAt);
        assert.deepEqual([output, ended], ['? 1\ngot one\n? 2\ngot two\nend\n', 23]);
      }
    } finally {
      folder.remove();
    }
  });

  it('says of a program that fails on its way why it does', async function () {
    if (!isThere('20')) skip(this, 'the tests do not run on Node 20 here');
    const folder = temporaryFolder();
    try {
      const file = join(folder.path, 'failing.cjs');
      writeFileSync(file, "console.log(1); setTimeout(() => { throw new Error('no way'); }, 5);");
      await assert.rejects(perform({ ...program, file }, '20'), /to its end: 1\n[^]*no way/);
    } finally {
      folder.remove();
    }
  });

  it('runs two at a time', async () => {
    let [running, most] = [0, 0];
    const results = await pairwise([1, 2, 3, 4, 5], async (n) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return n * n;
    });
    assert.deepEqual([results, most], [[1, 4, 9, 16, 25], 2]);
  });

  it('reads routes', () => {
    assert.deepEqual(parseRoute('20-arm64-24'), ['20', 'arm64', '24']);
    assert.throws(() => parseRoute('20'), /no target/);
    assert.throws(() => parseRoute('20-23'), /23 is none of/);
  });
});
