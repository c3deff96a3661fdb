import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { captureProgram, inspectCapsule, restoreProgram } from '../../../agent/engines/v8/index.ts';
import { SampledTests } from '../../support/sampledTests.ts';
import { isFullRun, seededRandom } from '../../support/seed.ts';
import { skip } from '../../support/skip.ts';
import { moveAtTurns, References } from '../campaign.ts';
import { readCatalogue, type CorpusProgram } from '../catalogue.ts';
import { isThere, nodeCommand, type Route } from '../nodes.ts';
import { compare, Performance, perform as performAlone, type Showing } from '../performance.ts';

const route: Route = ['20', '24'];
/** These have so much that moving them takes its time. */
const heavy: readonly string[] = ['huge-string', 'linked-nodes', 'million-timers'];

describe('what is there to break the portable engine', function () {
  this.timeout(600_000);

  before(function () {
    for (const node of route) if (!isThere(node)) skip(this, `Node ${node} is not here`);
  });

  const tests = new SampledTests('hostile programs and capsules');
  for (const program of readCatalogue(join(import.meta.dirname, 'programs'))) {
    if (!isFullRun && heavy.includes(program.name)) continue;
    tests.add(`${program.name}: ${program.survives}`, () => perform(program));
  }

  tests.add('a capsule that cannot be written leaves the program as it is', async () => {
    const program = simple();
    const reference = await performAlone(program, '20');
    const performance = new Performance(program);
    try {
      performance.start('20');
      await performance.reaches(5);
      const file = join(performance.folder, 'no-such-folder', 'capsule');
      await assert.rejects(captureProgram({ pid: performance.pid, file, end: true }), (error) => {
        assert.ok(error instanceof Error && error.message.length > 10);
        return true;
      });
      const ended = await performance.stageEnds();
      assert.equal(compare({ output: performance.output, ended }, reference), undefined);
    } finally {
      performance.dispose();
    }
  });
  tests.register(2);

  describe('a capsule that is not what it was', () => {
    const capsules = new SampledTests('capsules that are not what they were');
    let performance: Performance;
    let whole: Buffer;

    before(async () => {
      performance = new Performance(simple());
      performance.start('20');
      await performance.reaches(5);
      const file = join(performance.folder, 'capsule');
      await captureProgram({ pid: performance.pid, file, end: true });
      await performance.stageEnds();
      whole = readFileSync(file);
    });
    after(() => performance.dispose());

    const refusesAll = async (kind: string, capsules: readonly Buffer[]): Promise<void> => {
      for (const [index, bytes] of capsules.entries()) {
        const showing = await restored(performance.folder, bytes);
        const where = `${kind} ${String(index)}: ${showing.output.slice(0, 300)}`;
        assert.ok(typeof showing.ended === 'number', `${where} ended by ${String(showing.ended)}`);
        assert.notEqual(showing.ended, 0, where);
        assert.doesNotMatch(showing.output, /^\d+ |^end/m, where);
        // A sentence, not the trace of a crash.
        assert.match(showing.errors, /[A-Za-z]{3,}.*\./, where);
        assert.doesNotMatch(showing.errors, /^\s+at .*:\d+:\d+\)?$/m, where);
      }
    };

    capsules.add('cut off anywhere', async () => {
      const random = seededRandom('cut capsules');
      const cuts = Array.from({ length: isFullRun ? 30 : 4 }, () =>
        Math.floor(random() * whole.length),
      );
      await refusesAll(
        'cut',
        [0, whole.length - 1, ...cuts].map((at) => whole.subarray(0, at)),
      );
    });

    capsules.add('changed in one byte', async () => {
      const random = seededRandom('changed capsules');
      const changed = Array.from({ length: isFullRun ? 30 : 4 }, () => {
        const bytes = Buffer.from(whole);
        const at = Math.floor(random() * bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        return bytes;
      });
      await refusesAll('changed', changed);
    });

    capsules.add('of a newer format', async () => {
      const newer = edited(whole, (header) => {
        header['version'] = Number(header['version']) + 1;
      });
      await refusesAll('newer', [newer]);
      const file = join(performance.folder, 'newer');
      writeFileSync(file, newer);
      assert.throws(() => inspectCapsule(file), /version \d+/);
    });

    capsules.add('no capsule at all', async () => {
      await refusesAll('none', [
        Buffer.from('not a capsule'),
        Buffer.from('{}\n{}\n'),
        Buffer.from('[]\n'.repeat(5)),
        Buffer.alloc(4096),
      ]);
    });

    capsules.add('with the path of a builtin that leads elsewhere', async () => {
      const text = whole.toString('utf8');
      const found = /"paths":\["[^"]+"/.exec(text)?.[0];
      assert.ok(found !== undefined, 'the capsule names builtins by path');
      const paths = [
        'constructor.constructor',
        '__proto__.polluted',
        'process.mainModule.constructor._load',
        'require:child_process.execSync',
        '../../../../etc/passwd',
        '',
      ];
      await refusesAll(
        'path',
        paths.map((path) =>
          sealed(
            text.replaceAll(/"paths":\["[^"]+"(,"[^"]+")*/g, `"paths":[${JSON.stringify(path)}`),
          ),
        ),
      );
    });

    capsules.add('whose program was in a folder that is not there', async () => {
      const gone = edited(whole, (header) => {
        header['cwd'] = '/no/such/folder/anywhere';
      });
      const showing = await restored(performance.folder, gone);
      assert.ok(typeof showing.ended === 'number', `ended by ${String(showing.ended)}`);
      assert.doesNotMatch(showing.errors, /^\s+at .*:\d+:\d+\)?$/m);
    });
    capsules.register(2);
  });
});

async function perform(program: CorpusProgram): Promise<void> {
  const attempts = await moveAtTurns(program, new References(), route, isFullRun ? 5 : 1);
  for (const { outcome } of attempts) {
    const text = JSON.stringify(outcome);
    assert.notEqual(outcome.kind, 'wrong', text);
    // How far it has come when it is asked depends on the machine.
    if (outcome.kind === 'over') continue;
    if (program.refuses !== undefined) {
      assert.ok(outcome.kind === 'refused', text);
      assert.match(outcome.sentence, new RegExp(program.refuses, 'i'));
    } else if (program.mayRefuse === undefined) assert.equal(outcome.kind, 'moved', text);
  }
}

function simple(): CorpusProgram {
  const program = readCatalogue().find(({ name }) => name === 'let-closures');
  assert.ok(program !== undefined);
  return program;
}

/** Tries to go on with what may be a capsule. */
async function restored(
  folder: string,
  bytes: Buffer,
): Promise<Showing & { readonly errors: string }> {
  const file = join(folder, 'tried');
  writeFileSync(file, bytes);
  const performance = new Performance(simple());
  try {
    mkdirSync(performance.cwd, { recursive: true });
    performance.adopt(
      restoreProgram({ file, node: nodeCommand('20'), stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    const ended = await performance.stageEnds();
    return { output: performance.output, errors: performance.errors, ended };
  } finally {
    performance.dispose();
  }
}

/** The capsule with another header, and the hash that goes with it: somebody meant it. */
function edited(capsule: Buffer, edit: (header: Record<string, unknown>) => void): Buffer {
  const lines = capsule.toString('utf8').split('\n');
  const header = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  edit(header);
  return sealed([JSON.stringify(header), ...lines.slice(1)].join('\n'));
}

/** A capsule's text with the hash that its content has. */
function sealed(text: string): Buffer {
  const content = text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1);
  const sha256 = createHash('sha256').update(content).digest('hex');
  return Buffer.from(`${content}${JSON.stringify({ sha256 })}\n`);
}
