import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { failsWith, SshFixture } from './sshFixture.ts';
import { fingerprintOf, makeKey, publicKey, run, type SshServer } from './sshServer.ts';

describe('host keys of a real server', function () {
  this.timeout(90_000);
  let fixture: SshFixture;
  let server: SshServer;

  before(function () {
    SshFixture.require(this);
  });
  beforeEach(async () => {
    fixture = new SshFixture();
    server = await fixture.server();
  });
  afterEach(async () => fixture?.dispose());

  const enter = async (transport = fixture.transport(server)): Promise<number | null> =>
    (await transport.exec(['true'])).exitCode;

  it('asks about an unknown one with its fingerprint, and remembers it', async () => {
    assert.equal(await enter(), 0);
    assert.deepEqual(fixture.person.hostKeys, [
      {
        host: `127.0.0.1:${server.port}`,
        keyType: 'ssh-ed25519',
        fingerprint: fingerprintOf(server.hostKey),
      },
    ]);
    const own = readFileSync(fixture.ownKnownHosts, 'utf8');
    assert.equal(own, `${server.name} ${server.publicHostKey}\n`);
    assert.equal(statSync(fixture.ownKnownHosts).mode & 0o777, 0o600);
    assert.equal(await enter(), 0);
    assert.equal(fixture.person.hostKeys.length, 1);
  });

  it('asks once where two devices show it at once', async () => {
    fixture.person.slowness = 200;
    const both = [fixture.transport(server), fixture.transport(server)];
    assert.deepEqual(await Promise.all(both.map(enter)), [0, 0]);
    assert.equal(fixture.person.hostKeys.length, 1);
  });

  it('refuses one that the person does not accept, and offers no key to it', async () => {
    fixture.person.trusts = false;
    await assert.rejects(enter(), failsWith('hostKeyUnknown', /was not accepted.*ssh-keygen -lf/));
    assert.throws(() => readFileSync(fixture.ownKnownHosts));
  });

  it('does as StrictHostKeyChecking says', async () => {
    fixture.configure(['StrictHostKeyChecking yes']);
    await assert.rejects(enter(), failsWith('hostKeyUnknown', /refuses unknown keys/));
    fixture.configure(['StrictHostKeyChecking accept-new']);
    assert.equal(await enter(), 0);
    assert.deepEqual(fixture.person.hostKeys, []);
    assert.match(readFileSync(fixture.ownKnownHosts, 'utf8'), /^\[127\.0\.0\.1\]:\d+ ssh-ed25519 /);
  });

  it('refuses a changed one with both fingerprints and the line', async () => {
    const old = fixture.path('old_host_key');
    makeKey(old);
    writeFileSync(fixture.userKnownHosts, `# mine\n${server.name} ${publicKey(old)}\n`);
    await assert.rejects(
      enter(),
      (error) =>
        failsWith('hostKeyChanged')(error) &&
        error instanceof Error &&
        error.message.includes(fingerprintOf(old)) &&
        error.message.includes(fingerprintOf(server.hostKey)) &&
        error.message.includes(`${fixture.userKnownHosts}:2`),
    );
    // Not even a configuration that checks nothing lets it through.
    fixture.configure(['StrictHostKeyChecking no']);
    await assert.rejects(enter(), failsWith('hostKeyChanged'));
    assert.deepEqual(fixture.person.hostKeys, []);
  });

  it('refuses a revoked one', async () => {
    fixture.know(server);
    writeFileSync(fixture.userKnownHosts, `@revoked * ${server.publicHostKey}\n`, { flag: 'a' });
    const line = `${fixture.userKnownHosts}:2`;
    await assert.rejects(enter(), failsWith('hostKeyRevoked', new RegExp(line)));
  });

  it('finds a name that ssh-keygen has hashed', async () => {
    fixture.know(server);
    run('ssh-keygen', ['-q', '-H', '-f', fixture.userKnownHosts]);
    rmSync(`${fixture.userKnownHosts}.old`, { force: true });
    assert.match(readFileSync(fixture.userKnownHosts, 'utf8'), /^\|1\|/);
    assert.equal(await enter(), 0);
    assert.deepEqual(fixture.person.hostKeys, []);
  });

  it('has the server show a key of a type that is known', async () => {
    await server.stop();
    const rsa = fixture.path('host_rsa');
    run('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', rsa]);
    const both = await fixture.server('both', { config: [`HostKey ${rsa}`] });
    writeFileSync(fixture.userKnownHosts, `${both.name} ${publicKey(rsa)}\n`);
    assert.equal(await enter(fixture.transport(both)), 0);
    assert.deepEqual(fixture.person.hostKeys, []);
  });

  it('looks up the alias that the configuration gives', async () => {
    writeFileSync(fixture.userKnownHosts, `box ${server.publicHostKey}\n`);
    const lines = ['Host device', 'HostName 127.0.0.1', `Port ${server.port}`, 'HostKeyAlias box'];
    fixture.configure([...lines, `IdentityFile ${fixture.key}`]);
    const transport = fixture.transport(server, { host: 'device', identityFile: '' });
    assert.equal(await enter(transport), 0);
    assert.deepEqual(fixture.person.hostKeys, []);
  });
});
