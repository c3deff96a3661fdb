import assert from 'node:assert/strict';
import type { Moved } from '../support/flick.ts';
import { beats, broken, eventually, LabFixture } from './labFixture.ts';
import { assertSaid } from './steady.ts';

const program = '/opt/ledger.cjs';
const node24 = '/opt/flick-lab/clone/.cache/node/24/bin/node';
const criu = '/usr/local/bin/criu';

interface PortableMove extends Moved {
  readonly engineReason: string | null;
}

interface Check {
  readonly movable: boolean;
  readonly engine: string;
  readonly engineReason: string | null;
  readonly findings: readonly { severity: string; what: string }[];
}

describe('a move by the portable engine', function () {
  this.timeout(120_000);
  let fixture: LabFixture;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const device of ['alpha', 'beta']) await fixture.place(device, 'ledger.cjs', program);
  });
  after(() => fixture?.down());

  /** Every number once and in its order, however often it has moved. */
  async function goesOn(id: string): Promise<void> {
    const before = beats(await fixture.logs(id)).at(-1) ?? 0;
    const after = await eventually(async () => {
      const numbers = beats(await fixture.logs(id));
      return (numbers.at(-1) ?? 0) > before + 2 ? numbers : undefined;
    }, `${id} goes on`);
    assert.equal(broken(after), undefined);
    assert.doesNotMatch(await fixture.logs(id), /but|Debugger|rebuilt/);
  }

  it('passes a program on with all that it knows, there and back', async () => {
    const id = await fixture.start('alpha', 'ledger', ['node', program]);
    await goesOn(id);
    for (const device of ['beta', 'alpha', 'beta']) {
      const moved = await fixture.flick.json<PortableMove>(['move', id, device, '--engine', 'v8']);
      assert.equal(moved.engine, 'v8');
      assert.equal((await fixture.find(id))?.device, device);
      await goesOn(id);
    }
    assert.deepEqual(await fixture.pidsOf('alpha', program), []);
    await fixture.end(id);
  });

  it('is chosen where CRIU is missing, which is said', async () => {
    const id = await fixture.start('alpha', 'ledger', [node24, program]);
    await goesOn(id);
    await fixture.on('beta', ['mv', criu, `${criu}.kept`]);
    try {
      await fixture.flick.run(['doctor', 'beta']);
      const check = await fixture.flick.json<Check>(['check', id, 'beta']);
      assert.equal(check.movable, true, JSON.stringify(check.findings));
      assert.equal(check.engine, 'v8');
      assert.equal(check.engineReason, 'CRIU cannot be used on beta.');
      const moved = await fixture.flick.run(['move', id, 'beta']);
      assertSaid(moved, 0, /Moved by the portable engine\. CRIU cannot be used on beta\./);
      await goesOn(id);
    } finally {
      await fixture.on('beta', ['mv', `${criu}.kept`, criu]);
      await fixture.flick.run(['doctor', 'beta']);
    }
    await fixture.end(id);
  });

  it('is refused where the program cannot be carried, which names the place and leaves it running', async () => {
    const id = await fixture.start('alpha', 'ledger', ['node', program, 'hash']);
    await goesOn(id);
    const check = await fixture.flick.run(['check', id, 'beta', '--engine', 'v8']);
    assertSaid(check, 3, /cannot move/, /hash/i);
    const refused = await fixture.flick.run(['move', id, 'beta', '--engine', 'v8']);
    assertSaid(refused, 3, /cannot move/, /hash/i);
    await goesOn(id);
    await fixture.end(id);
  });
});
