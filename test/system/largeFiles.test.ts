import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Moved } from '../support/flick.ts';
import { assertSaid } from './steady.ts';
import { pathOn } from './deviceView.ts';
import { eventually, LabFixture } from './labFixture.ts';
import { UnderWay } from './underWay.ts';
import { SampledTests } from '../support/sampledTests.ts';
import { isFullRun } from '../support/seed.ts';

const program = '/opt/ledger.py';
const processes = '/root/.flick/processes';
const megabyte = 1 << 20;
const logBytes = (isFullRun ? 50 : 20) * megabyte;

describe('large files that a process works on', function () {
  const tests = new SampledTests('large files');
  this.timeout(180_000);
  let fixture: LabFixture;
  let id = '';

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    await fixture.place('alpha', 'ledger.py', program);
    await fixture.list();
  });
  after(() => fixture?.down());
  afterEach(async () => {
    await fixture.lab.rate('beta', 'off');
    await fixture.end(id);
    await fixture.on('alpha', ['rm', '-r', '/srv/ledger']);
  });

  async function start(...args: readonly string[]): Promise<void> {
    id = await fixture.start('alpha', 'ledger', ['python3', program, '/srv/ledger', ...args]);
    await eventually(
      async () => ((await fixture.logs(id)).includes('ready') ? true : undefined),
      'the files are written',
      30_000,
    );
  }

  /** Sends a signal and waits for one more line that begins with a word. @returns that line */
  async function answer(signal: string, word: string): Promise<string> {
    const said = async (): Promise<string[]> =>
      (await fixture.logs(id)).split(/\r?\n/).filter((line) => line.startsWith(word));
    const before = (await said()).length;
    await fixture.flick.json(['kill', id, '--signal', signal]);
    return eventually(async () => (await said())[before], `it answers ${signal}`, 30_000);
  }

  async function move(to: string): Promise<Moved> {
    const told = await answer('USR2', 'told');
    assert.match(told, / whole$/);
    const moved = await fixture.move(id, to);
    assert.equal(await answer('USR2', 'told'), told);
    return moved;
  }

  tests.add(
    'cost what changed: an appended log and a database with pages changed in its middle',
    async () => {
      await start(String(logBytes), String(10 * megabyte));
      const first = await move('beta');
      assert.ok(first.bytesSent > logBytes + 10 * megabyte, String(first.bytesSent));
      for (const to of ['alpha', 'beta', 'alpha']) {
        await answer('USR1', 'did');
        const { bytesSent } = await move(to);
        // 240 kB appended, 20 pages of 4 KiB in pieces of some 18, digests, and the memory that changed.
        assert.ok(bytesSent < 4 * megabyte, `${bytesSent} bytes to ${to}`);
      }
    },
  );

  tests.add('are not sent where the device has the same elsewhere', async () => {
    await start(String(20 * megabyte), String(10 * megabyte));
    for (const name of ['log', 'pages']) {
      const elsewhere = pathOn(fixture.lab, 'beta', `/opt/copies/${name}`);
      await mkdir(dirname(elsewhere), { recursive: true });
      await copyFile(pathOn(fixture.lab, 'alpha', `/srv/ledger/${name}`), elsewhere);
    }
    const { bytesSent } = await move('beta');
    assert.ok(bytesSent < 10 * megabyte, String(bytesSent));
  });

  tests.add('are not sent where a capsule of the device has the same', async () => {
    await start(String(20 * megabyte), '4096');
    await fixture.on('alpha', ['cp', '/srv/ledger/log', '/srv/journal']);
    await move('beta');
    const [capsule] = await fixture.flick.json<{ id: string }[]>(['capsule', 'save', id]);
    await fixture.end(id);
    id = await fixture.start('alpha', 'reader', ['tail', '-f', '-n', '1', '/srv/journal']);
    const { bytesSent } = await fixture.move(id, 'beta');
    assert.ok(bytesSent < 5 * megabyte, String(bytesSent));
    assert.equal(
      await fixture.on('beta', [
        'sh',
        '-c',
        'cat /root/.flick/processes/*/cells/*/layer/*/srv/journal | sha256sum',
      ]),
      await fixture.on('alpha', ['sh', '-c', 'sha256sum < /srv/journal']),
    );
    await fixture.flick.json(['capsule', 'rm', capsule?.id ?? '']);
  });

  tests.add('are sent once, also when they grow all the time', async () => {
    await start(String(logBytes), '4096', 'restless');
    const { bytesSent } = await fixture.move(id, 'beta');
    assert.ok(bytesSent < 1.5 * logBytes, String(bytesSent));
    assert.match(await answer('USR2', 'told'), / whole$/);
  });

  tests.add('are not sent again from the beginning after a move that was cancelled', async () => {
    await start(String(30 * megabyte), '4096');
    await fixture.lab.rate('beta', '40mbit');
    const cancelled = new UnderWay(fixture.lab.flickHome, ['move', '--json', id, 'beta']);
    await eventually(
      async () => {
        const [kilobytes] = (await fixture.on('beta', ['du', '-sk', processes])).split('\t');
        return Number(kilobytes) > 15 * 1024 ? true : undefined;
      },
      'half of it has come',
      30_000,
    );
    cancelled.signal('SIGINT');
    assertSaid(await cancelled.ended, 1, /cancelled/i);
    await fixture.lab.rate('beta', 'off');
    const { bytesSent } = await move('beta');
    assert.ok(bytesSent < 22 * megabyte, String(bytesSent));
  });

  tests.register(1);
});
