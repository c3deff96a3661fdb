import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { Configuration } from '../../client/configuration.ts';
import { formatDeviceAddress, parseDeviceAddress } from '../../client/deviceEntry.ts';
import { FlickError } from '../../protocol/index.ts';
import { root } from '../support/provisioned.ts';
import { temporaryFolder } from '../support/temporary.ts';

describe('the device list', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let home: string;
  beforeEach(() => {
    folder = temporaryFolder();
    home = join(folder.path, 'home');
  });
  afterEach(() => folder.remove());

  it('keeps what was added, for the owner only', async () => {
    const configuration = new Configuration(home);
    await configuration.add({ name: 'alpha', host: '10.0.0.2', port: 2222, user: 'pi' });
    await configuration.add({ name: 'beta', host: 'beta.local', identityFile: '/keys/id' });
    assert.deepEqual(new Configuration(home).devices, [
      { name: 'alpha', host: '10.0.0.2', port: 2222, user: 'pi' },
      { name: 'beta', host: 'beta.local', identityFile: '/keys/id' },
    ]);
    assert.equal(statSync(home).mode & 0o777, 0o700);
    assert.equal(statSync(configuration.path).mode & 0o777, 0o600);
    await configuration.remove('alpha');
    assert.deepEqual(
      new Configuration(home).devices.map((each) => each.name),
      ['beta'],
    );
  });

  it('refuses a name twice, the name of this machine, and the removal of a stranger', async () => {
    const configuration = new Configuration(home);
    await configuration.add({ name: 'alpha', host: 'a' });
    const refused = async (work: Promise<void>, message: RegExp): Promise<void> =>
      assert.rejects(
        work,
        (error) =>
          error instanceof FlickError &&
          error.reason === 'invalidRequest' &&
          message.test(error.message),
      );
    await refused(configuration.add({ name: 'alpha', host: 'b' }), /already is a device “alpha”/);
    await refused(configuration.add({ name: 'local', host: 'b' }), /means this machine/);
    await refused(configuration.add({ name: 'x', host: '-oProxyCommand=evil' }), /hyphen/);
    await refused(configuration.remove('gamma'), /no device “gamma”/);
  });

  for (const [title, content, expected] of [
    ['no JSON', '{"version":1,', /JSON/],
    ['another version', '{"version":2,"devices":[]}', /version/],
    [
      'a wrong field',
      '{"version":1,"devices":[{"name":"a","host":"b","port":"22"}]}',
      /devices\.0\.port/,
    ],
    [
      'a name twice',
      '{"version":1,"devices":[{"name":"a","host":"b"},{"name":"a","host":"c"}]}',
      /same name/,
    ],
  ] as const) {
    it(`says what is wrong with a file that has ${title}, and does not overwrite it`, async () => {
      new Configuration(home).watch().dispose();
      const path = join(home, 'devices.json');
      writeFileSync(path, content);
      const configuration = new Configuration(home);
      assert.deepEqual(configuration.devices, []);
      const message = configuration.problem?.message ?? '';
      assert.ok(message.includes(path), message);
      assert.match(message, expected);
      await assert.rejects(configuration.add({ name: 'beta', host: 'b' }), FlickError);
      assert.equal(readFileSync(path, 'utf8'), content);
    });
  }

  it('loses nothing when several programs add devices at once', async () => {
    const script = `
      import { Configuration } from ${JSON.stringify(join(root, 'client/configuration.ts'))};
      const configuration = new Configuration(process.argv[1]);
      for (let i = 0; i < 5; i += 1) await configuration.add({ name: process.argv[2] + i, host: 'h' });
    `;
    const writers = ['a', 'b', 'c'].map((prefix) =>
      spawn(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '-e', script, home, prefix],
        { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
      ),
    );
    const statuses = await Promise.all(writers.map(async (each) => once(each, 'exit')));
    assert.deepEqual(
      statuses.map(([code]: unknown[]) => code),
      [0, 0, 0],
    );
    const names = new Configuration(home).devices.map((each) => each.name).sort();
    const expected = ['a', 'b', 'c'].flatMap((each) =>
      [0, 1, 2, 3, 4].map((i) => `${each}${String(i)}`),
    );
    assert.deepEqual(names, expected);
  });

  it('notices what another program writes', async () => {
    const configuration = new Configuration(home);
    const watching = configuration.watch();
    try {
      const changed = new Promise<void>((resolve) => configuration.onDidChange(() => resolve()));
      await new Configuration(home).add({ name: 'alpha', host: 'a' });
      await changed;
      assert.deepEqual(
        configuration.devices.map((each) => each.name),
        ['alpha'],
      );
    } finally {
      watching.dispose();
    }
  });
});

describe('the address of a device', () => {
  for (const [address, expected] of [
    ['ssh://host', { host: 'host' }],
    ['ssh://pi@raspberrypi:2222', { host: 'raspberrypi', user: 'pi', port: 2222 }],
    ['pi@10.0.0.7', { host: '10.0.0.7', user: 'pi' }],
    ['ssh://root@[fe80::1%eth0]:22', { host: 'fe80::1%eth0', user: 'root', port: 22 }],
  ] as const) {
    it(`reads ${address}`, () => {
      const entry = parseDeviceAddress('d', address);
      assert.deepEqual(entry, { name: 'd', ...expected });
      assert.deepEqual(parseDeviceAddress('d', formatDeviceAddress(entry)), entry);
    });
  }
  for (const address of [
    '',
    'http://host',
    'ssh://',
    'ssh://host:99999',
    'ssh://-x',
    'a b',
    'ssh://h/p',
  ]) {
    it(`refuses “${address}”`, () => {
      assert.throws(() => parseDeviceAddress('d', address), FlickError);
    });
  }
});
