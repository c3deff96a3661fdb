import assert from 'node:assert/strict';
import { join } from 'node:path';
import { requireProgram, root } from '../support/provisioned.ts';
import type { LabFixture } from './labFixture.ts';
import {
  counter,
  generator,
  nginx,
  pipeline,
  redis,
  threads,
  transaction,
  type Ground,
  type Program,
} from './programs.ts';
import { roundTrip, twoDevices } from './roundTrip.ts';
import { Screen } from './screen.ts';
import { travel } from './stations.ts';

const node24 = '/opt/flick-lab/clone/.cache/node/24/bin/node';

const makers: readonly ((ground: Ground) => Program)[] = [
  (ground) =>
    counter(ground, { name: 'a Node 20 HTTP server', node: 'node', version: 'v20.', port: 8120 }),
  (ground) =>
    counter(ground, { name: 'a Node 24 HTTP server', node: node24, version: 'v24.', port: 8124 }),
  (ground) => generator(ground),
  (ground) => redis(ground, 6390),
  transaction,
  (ground) => nginx(ground, 8180),
  threads,
  pipeline,
];

describe('real programs move from alpha to beta and back', function () {
  this.timeout(60_000);
  let fixture: LabFixture;
  before(async function () {
    fixture = await twoDevices(this, 'root');
  });
  after(async () => fixture?.down());

  for (const make of makers) {
    const ground = { user: 'root', folder: '/root/programs' } as const;
    // Only its name is needed before there are devices.
    const { name } = make({ ...ground, fixture: undefined as never });
    it(name, async function () {
      const start = ({ name, command, options }: Program): Promise<string> =>
        fixture.start('alpha', name, command, options);
      await roundTrip(this, make({ ...ground, fixture }), { fixture, user: 'root', start });
    });
  }

  it('vim with unsaved text', async function () {
    requireProgram(this, 'vim');
    const file = '/root/programs/letter.txt';
    await fixture.on('alpha', [
      'sh',
      '-c',
      'mkdir -p /root/programs && echo first > "$1"',
      'sh',
      file,
    ]);
    const vim = ['vim', '-u', 'NONE', '-N', file];
    const id = await fixture.start('alpha', 'vim', vim);
    const screen = new Screen([process.execPath, join(root, 'dist/cli.cjs'), 'attach', id], {
      ...process.env,
      FLICK_HOME: fixture.lab.flickHome,
    });
    try {
      await screen.shows(/^first$/m);
      screen.type('Gowritten on alpha\u001b');
      await screen.shows(/^written on alpha$/m);
      const marks = { '^vim -u NONE': 1 };
      await travel({ fixture, id, from: 'alpha', to: 'beta', user: 'root', marks });
      screen.type('owritten on beta\u001b');
      await screen.shows(/^first\nwritten on alpha\nwritten on beta\n~/);
      assert.equal(await fixture.on('alpha', ['cat', file]), 'first\n');
      await travel({ fixture, id, from: 'beta', to: 'alpha', user: 'root', marks });
      screen.type('u');
      await screen.shows(/^first\nwritten on alpha\n~/);
      screen.type('\u0012');
      await screen.shows(/written on beta\n~/);
      screen.type(':wq\r');
      assert.equal(await screen.ends(), 0);
    } finally {
      screen.close();
    }
    const text = 'first\nwritten on alpha\nwritten on beta\n';
    assert.equal(await fixture.on('alpha', ['cat', file]), text);
    const swap = await fixture.lab.exec('alpha', ['test', '-e', '/root/programs/.letter.txt.swp']);
    assert.equal(swap.code, 1, 'the swap file is gone');
  });
});
