import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { failsWith, SshFixture } from './sshFixture.ts';
import { makeKey, run, type SshServer } from './sshServer.ts';

describe('logging in over SSH', function () {
  this.timeout(90_000);
  let fixture: SshFixture;
  let server: SshServer;
  let agent: ChildProcess | undefined;

  before(function () {
    SshFixture.require(this);
  });
  beforeEach(async () => {
    fixture = new SshFixture();
    server = await fixture.server();
    fixture.know(server);
  });
  afterEach(async () => {
    agent?.kill();
    agent = undefined;
    await fixture?.dispose();
  });

  const hostLines = (...lines: readonly string[]): void =>
    fixture.configure([
      'Host device',
      'HostName 127.0.0.1',
      `Port ${server.port}`,
      ...lines.map((line) => `  ${line}`),
    ]);
  const whoami = async (transport = fixture.transport(server)): Promise<string> =>
    (await transport.exec(['sh', '-c', 'echo in'])).stdout;

  /** A real ssh-agent with keys in it. */
  const startAgent = async (...keys: readonly string[]): Promise<string> => {
    const socket = fixture.path('agent.sock');
    agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    for (let i = 0; i < 500; i += 1) {
      await delay(20);
      try {
        for (const key of keys) run('env', [`SSH_AUTH_SOCK=${socket}`, 'ssh-add', '-q', key]);
        return socket;
      } catch {
        // It does not listen yet.
      }
    }
    throw new Error('ssh-agent did not start');
  };

  for (const [type, option] of [
    ['rsa', ['-b', '2048']],
    ['ecdsa', []],
  ] as const) {
    it(`takes a key of type ${type}`, async () => {
      const key = fixture.path(`id_${type}`);
      run('ssh-keygen', ['-q', '-t', type, ...option, '-N', '', '-f', key]);
      server.allow(key);
      assert.equal(await whoami(fixture.transport(server, { identityFile: key })), 'in\n');
    });
  }

  it('asks for a passphrase until it is right, and never again', async () => {
    const key = fixture.path('locked');
    makeKey(key, { passphrase: 'open sesame' });
    server.allow(key);
    fixture.person.answers = ['wrong', 'open sesame'];
    const transport = fixture.transport(server, { identityFile: key });
    assert.equal(await whoami(transport), 'in\n');
    const asked = [
      { file: key, attempt: 1 },
      { file: key, attempt: 2 },
    ];
    assert.deepEqual(fixture.person.passphrases, asked);
    // Another device, and the same one after its link was lost.
    assert.equal(await whoami(fixture.transport(server, { identityFile: key })), 'in\n');
    const closed = new Promise((resolve) => transport.onDidClose(resolve));
    await server.stop();
    await closed;
    await server.start();
    assert.equal(await whoami(transport), 'in\n');
    assert.deepEqual(fixture.person.passphrases, asked);
  });

  it('asks once where two devices want the same key at once', async () => {
    const key = fixture.path('locked');
    makeKey(key, { passphrase: 'p' });
    server.allow(key);
    fixture.person.answers = ['p'];
    fixture.person.slowness = 200;
    const transports = [1, 2].map(() => fixture.transport(server, { identityFile: key }));
    assert.deepEqual(await Promise.all(transports.map(whoami)), ['in\n', 'in\n']);
    assert.equal(fixture.person.passphrases.length, 1);
  });

  it('gives up after three wrong passphrases, or when none is given', async () => {
    const key = fixture.path('locked');
    makeKey(key, { passphrase: 'p' });
    server.allow(key);
    fixture.person.answers = ['1', '2', '3', 'p'];
    const transport = fixture.transport(server, { identityFile: key });
    await assert.rejects(whoami(transport), failsWith('auth', /locked was wrong.*ssh-add/));
    fixture.person.answers = [undefined];
    await assert.rejects(whoami(transport), failsWith('auth', /was not given/));
  });

  it('does not ask for the passphrase of a key that the server would not take', async () => {
    const key = fixture.path('locked');
    makeKey(key, { passphrase: 'p' });
    const transport = fixture.transport(server, { identityFile: key });
    await assert.rejects(whoami(transport), failsWith('auth', /did not accept any/));
    assert.deepEqual(fixture.person.passphrases, []);
  });

  it('waits for a slow person longer than for a machine', async () => {
    const key = fixture.path('locked');
    makeKey(key, { passphrase: 'p' });
    server.allow(key);
    fixture.person.answers = ['p'];
    fixture.person.slowness = 4_000;
    const timing = { connectMs: 2_500, keepAliveMs: 10_000 };
    const transport = fixture.transport(server, { identityFile: key, timing });
    assert.equal(await whoami(transport), 'in\n');
  });

  it('connects again with the answer when the server did not wait for it', async () => {
    await server.stop();
    const impatient = await fixture.server('impatient', { config: ['LoginGraceTime 3'] });
    const key = fixture.path('locked');
    makeKey(key, { passphrase: 'p' });
    impatient.allow(key);
    fixture.know(impatient);
    fixture.person.answers = ['p'];
    fixture.person.slowness = 5_000;
    assert.equal(await whoami(fixture.transport(impatient, { identityFile: key })), 'in\n');
    assert.equal(fixture.person.passphrases.length, 1);
  });

  it('takes keys from the SSH agent, the named one alone where only that may be tried', async () => {
    const others = Array.from({ length: 7 }, (_, index) => fixture.path(`other${index}`));
    for (const other of others) makeKey(other);
    const socket = await startAgent(...others, fixture.key);
    hostLines(`IdentityAgent ${socket}`, `IdentityFile ${fixture.key}.pub`, 'IdentitiesOnly yes');
    // The private half is nowhere but in the agent. Seven wrong keys would be too many (MaxAuthTries).
    renameSync(fixture.key, fixture.path('elsewhere'));
    const transport = fixture.transport(server, { host: 'device', identityFile: '' });
    assert.equal(await whoami(transport), 'in\n');
    // Named keys come first also where the others may be tried.
    hostLines(`IdentityAgent ${socket}`, `IdentityFile ${fixture.key}`);
    assert.equal(
      await whoami(fixture.transport(server, { host: 'device', identityFile: '' })),
      'in\n',
    );
    hostLines(`IdentityAgent ${socket}`, `IdentityFile ${others[0] ?? ''}`, 'IdentitiesOnly yes');
    const wrong = fixture.transport(server, { host: 'device', identityFile: '' });
    await assert.rejects(whoami(wrong), failsWith('auth', /did not accept any/));
  });

  it('takes a protected key from the SSH agent without asking', async () => {
    const key = fixture.path('locked');
    makeKey(key, { passphrase: 'p' });
    server.allow(key);
    run('cp', [key, `${key}.copy`]);
    run('ssh-keygen', ['-q', '-p', '-P', 'p', '-N', '', '-f', `${key}.copy`]);
    const socket = await startAgent(`${key}.copy`);
    hostLines(`IdentityAgent ${socket}`, `IdentityFile ${key}`);
    const transport = fixture.transport(server, { host: 'device', identityFile: '' });
    assert.equal(await whoami(transport), 'in\n');
    assert.deepEqual(fixture.person.passphrases, []);
  });

  it('uses key files where the SSH agent is dead', async () => {
    hostLines('IdentityAgent /nowhere/agent.sock', `IdentityFile ${fixture.key}`);
    const transport = fixture.transport(server, { host: 'device', identityFile: '' });
    assert.equal(await whoami(transport), 'in\n');
  });

  it('says which key is missing or cannot be read', async () => {
    const missing = fixture.transport(server, { identityFile: fixture.path('missing') });
    await assert.rejects(
      whoami(missing),
      failsWith('auth', /no key to log in.*missing cannot be read.*ssh-keygen/),
    );
    writeFileSync(fixture.path('rubbish'), 'rubbish');
    const rubbish = fixture.transport(server, { identityFile: fixture.path('rubbish') });
    await assert.rejects(whoami(rubbish), failsWith('auth', /no private key that Flick/));
    rmSync(fixture.path('server/authorized_keys'));
    await assert.rejects(whoami(), failsWith('auth', /did not accept any.*Check that ssh -p/));
  });

  it('asks for the passphrase of an old key file, whose public half is hidden', async () => {
    const key = fixture.path('old');
    run('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', 'secret', '-f', key]);
    server.allow(key);
    renameSync(`${key}.pub`, `${key}.moved`);
    fixture.person.answers = ['secret'];
    assert.equal(await whoami(fixture.transport(server, { identityFile: key })), 'in\n');
  });
});
