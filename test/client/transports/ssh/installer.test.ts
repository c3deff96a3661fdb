import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentFile } from '../../../../client/agentFile.ts';
import { failsWith, SshFixture } from './sshFixture.ts';
import { run, type SshServer } from './sshServer.ts';

/** Where this machine has its own Node: covered, so that only what a test puts there is found. */
const nodes = run('sh', [
  '-c',
  'ls /usr/bin/node /usr/bin/nodejs /usr/local/bin/node 2>/dev/null; true',
])
  .split('\n')
  .filter((path) => path !== '');

describe('the agent on a device', function () {
  this.timeout(90_000);
  let fixture: SshFixture;
  let mounted: string | undefined;

  before(function () {
    SshFixture.require(this);
  });
  beforeEach(() => (fixture = new SshFixture()));
  afterEach(async () => {
    if (mounted !== undefined) run('umount', ['-l', mounted]);
    mounted = undefined;
    await fixture?.dispose();
  });

  const nodeless = async (): Promise<SshServer> => {
    const server = await fixture.server('server', { hidden: nodes });
    fixture.know(server);
    return server;
  };
  const install = async (server: SshServer, agentFile = fixture.agentFile): Promise<string> =>
    (await fixture.transport(server).ensureAgent(agentFile)).deviceId;
  const program = (path: string, ...lines: readonly string[]): void => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'));
    chmodSync(path, 0o755);
  };
  /** A small file system over a folder. */
  const mount = (folder: string, options: string): void => {
    run('mount', ['-t', 'tmpfs', '-o', options, 'flick-test', folder]);
    mounted = folder;
  };
  const remote = (server: SshServer, version: string): string =>
    join(server.home, '.nvm/versions/node', version, 'bin/node');

  it('says what to install where there is no Node', async () => {
    const server = await nodeless();
    await assert.rejects(
      install(server),
      failsWith('noNode', /has no Node\.js\..*Install Node\.js 20 or newer/),
    );
    program(remote(server, 'v22.0.0'), 'exit 127');
    await assert.rejects(install(server), failsWith('noNode', /v22\.0\.0.* does not start/));
  });

  it('says which Node is too old', async () => {
    const server = await nodeless();
    program(remote(server, 'v18.19.0'), 'echo 18.19.0');
    program(remote(server, 'v9.11.2'), 'echo 9.11.2');
    await assert.rejects(
      install(server),
      failsWith('nodeTooOld', /18\.19 \(.*v18\.19\.0.*\); Flick needs 20 or newer/),
    );
  });

  it('finds the newest Node of a version manager', async () => {
    const server = await nodeless();
    program(remote(server, 'v18.19.0'), 'echo 18.19.0');
    // Covered is only the path of this machine's Node: the running program is there under another name.
    const real = fixture.path('real-node');
    run('cp', [process.execPath, real]);
    program(remote(server, 'v20.9.0'), 'echo 20.9.0');
    program(
      remote(server, 'v20.11.0'),
      '[ "$1" != -p ] || { echo 20.11.0; exit; }',
      `exec ${real} "$@"`,
    );
    assert.equal(await install(server), 'd-stand-in');
  });

  it('needs neither sha256sum nor shasum', async () => {
    const tools = ['/usr/bin/sha256sum', '/usr/bin/shasum'];
    const server = await fixture.server('server', { hidden: tools });
    fixture.know(server);
    const transport = fixture.transport(server);
    const steps: string[] = [];
    for (let i = 0; i < 2; i += 1) {
      await transport.ensureAgent(fixture.agentFile, (step) => steps.push(step));
    }
    assert.deepEqual(steps, [
      'copying the agent to the device',
      'starting the agent',
      'starting the agent',
    ]);
  });

  it('says so when the disk of the device is full, and leaves nothing half there', async () => {
    const server = await fixture.server();
    fixture.know(server);
    mount(server.home, 'size=64k');
    const big = fixture.path('big.cjs');
    writeFileSync(big, Buffer.alloc(2 << 20, ' '));
    await assert.rejects(
      install(server, new AgentFile(big)),
      failsWith('noSpace', /disk is full.*Free some space/),
    );
    const [version = ''] = readdirSync(join(server.home, '.flick/agent'));
    assert.deepEqual(readdirSync(join(server.home, '.flick/agent', version)), []);
    run('umount', ['-l', server.home]);
    mounted = undefined;
    assert.equal(await install(server), 'd-stand-in');
  });

  it('says so when the home folder cannot be written', async () => {
    const server = await fixture.server();
    fixture.know(server);
    mount(server.home, 'ro');
    await assert.rejects(
      install(server),
      failsWith('agentPush', /\.flick cannot be written.*FLICK_HOME/),
    );
  });

  it('keeps one older version beside its own, and closes folders that were open', async () => {
    const server = await fixture.server();
    fixture.know(server);
    const folder = join(server.home, '.flick/agent');
    for (const [index, name] of ['oldest', 'older', 'old one'].entries()) {
      mkdirSync(join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, 'agent.cjs'), '');
      utimesSync(join(folder, name), index, index);
    }
    chmodSync(join(server.home, '.flick'), 0o777);
    await install(server);
    const own = fixture.agentFile.sha256.slice(0, 16);
    assert.deepEqual(readdirSync(folder).sort(), [own, 'old one'].sort());
    assert.equal(statSync(join(server.home, '.flick')).mode & 0o777, 0o700);
  });

  it('is whole when two clients push it at once', async () => {
    const server = await fixture.server();
    fixture.know(server);
    const hellos = await Promise.all([1, 2, 3].map(async () => install(server)));
    assert.deepEqual(hellos, ['d-stand-in', 'd-stand-in', 'd-stand-in']);
    const version = fixture.agentFile.sha256.slice(0, 16);
    assert.deepEqual(readdirSync(join(server.home, '.flick/agent', version)), ['agent.cjs']);
  });

  it('lives where FLICK_HOME of the device says', async () => {
    const home = fixture.path('elsewhere');
    const env = `SetEnv HOME=${fixture.path('server/home')} FLICK_HOME=${home}`;
    const server = await fixture.server('server', { config: [env] });
    fixture.know(server);
    const hello = await fixture.transport(server).ensureAgent(fixture.agentFile);
    process.kill(Number(run('cat', [join(home, 'daemon.pid')])));
    assert.equal(hello.socket, join(home, 'agent.sock'));
    assert.ok(readdirSync(home).includes('agent'));
  });

  it('says why it did not start', async () => {
    const server = await fixture.server();
    fixture.know(server);
    const broken = fixture.path('broken.cjs');
    writeFileSync(broken, 'console.error("the reason"); process.exit(1);');
    await assert.rejects(
      install(server, new AgentFile(broken)),
      failsWith('agentStart', /did not start: the reason.*agent\.log/),
    );
  });

  it('says so where the login runs no commands', async () => {
    const server = await fixture.server('server', {
      config: ['ForceCommand echo This account is not available.'],
    });
    fixture.know(server);
    await assert.rejects(
      install(server),
      failsWith('noShell', /ran no command for Flick: This account is not available/),
    );
  });
});
