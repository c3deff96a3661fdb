import assert from 'node:assert/strict';
import type { Moved } from '../support/flick.ts';
import { beats, LabFixture } from './labFixture.ts';
import { assertGoesOn, assertSaid } from './steady.ts';

const program = '/opt/appender.cjs';
const folder = '/root/appended';
const logs = ['stream', 'handle', 'descriptor'];

describe('open files in a move by the portable engine', function () {
  this.timeout(120_000);
  let fixture: LabFixture;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const device of ['alpha', 'beta']) await fixture.place(device, 'appender.cjs', program);
  });
  after(() => fixture?.down());

  const goesOn = (id: string): Promise<void> => assertGoesOn(fixture, id);

  it('go on where they were, there and back, and have every line once', async () => {
    const id = await fixture.start('alpha', 'appender', ['node', program, folder]);
    await goesOn(id);
    for (const device of ['beta', 'alpha']) {
      await fixture.flick.json<Moved>(['move', id, device, '--engine', 'v8']);
      assert.equal((await fixture.find(id))?.device, device);
      await goesOn(id);
    }
    const last = beats(await fixture.logs(id)).at(-1) ?? 0;
    await fixture.end(id);
    for (const log of logs) {
      const text = await fixture.on('alpha', ['cat', `${folder}/${log}.log`]);
      const numbers = text
        .split('\n')
        .slice(0, -1)
        .map((line) => /^line (\d+)$/.exec(line)?.[1]);
      assert.deepEqual(
        numbers.slice(0, last),
        Array.from({ length: last }, (_, n) => `${n + 1}`),
      );
      assert.equal(new Set(numbers).size, numbers.length);
    }
    const left = await fixture.on('beta', ['sh', '-c', `ls ${folder} 2>/dev/null || true`]);
    assert.equal(left, '', 'what was written away from home came home');
  });

  it('are named where they cannot be opened again, and the program goes on', async () => {
    const id = await fixture.start('alpha', 'deleted', ['node', program, folder, 'deleted']);
    await goesOn(id);
    const refused = /descriptor\.log.* has been deleted/;
    assertSaid(await fixture.flick.run(['check', id, 'beta', '--engine', 'v8']), 3, refused);
    assertSaid(await fixture.flick.run(['move', id, 'beta', '--engine', 'v8']), 3, refused);
    await goesOn(id);
    await fixture.end(id);
  });
});
