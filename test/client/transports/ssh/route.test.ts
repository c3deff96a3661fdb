import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { failsWith, SshFixture } from './sshFixture.ts';

describe('the way to a device', function () {
  this.timeout(90_000);
  let fixture: SshFixture;

  before(function () {
    SshFixture.require(this);
  });
  beforeEach(() => (fixture = new SshFixture()));
  afterEach(async () => fixture?.dispose());

  const host = (name: string, port: number, ...lines: readonly string[]): string[] => [
    `Host ${name}`,
    'HostName 127.0.0.1',
    `Port ${port}`,
    `IdentityFile ${fixture.key}`,
    ...lines,
  ];

  it('goes through jump hosts, each with its own host key', async () => {
    const [first, second, device] = [
      await fixture.server('first'),
      await fixture.server('second'),
      await fixture.server('device'),
    ];
    fixture.know(second);
    // The first jump has a jump of its own in the configuration; the port of the device is not what ssh dials.
    fixture.configure([
      ...host('inner', device.port, 'ProxyJump middle'),
      ...host('middle', second.port, 'ProxyJump outer'),
      ...host('outer', first.port),
    ]);
    const transport = fixture.transport(device, { host: 'inner', identityFile: '' });
    const { stdout } = await transport.exec(['sh', '-c', 'echo "$HOME" "$SSH_CONNECTION"']);
    assert.equal(stdout.split(' ')[0], device.home);
    assert.deepEqual(
      fixture.person.hostKeys.map((question) => question.host),
      [`127.0.0.1:${first.port}`, `127.0.0.1:${device.port}`],
    );
    // The link goes with its jump host.
    const closed = new Promise((resolve) => transport.onDidClose(resolve));
    await first.stop();
    await closed;
  });

  it('takes a list of jumps in order', async () => {
    const [first, second, device] = [
      await fixture.server('first'),
      await fixture.server('second', { config: ['AllowTcpForwarding yes'] }),
      await fixture.server('device'),
    ];
    fixture.know(first, second, device);
    fixture.configure([
      ...host('one', first.port),
      ...host('two', second.port),
      ...host('device', device.port, 'ProxyJump one,two'),
    ]);
    const transport = fixture.transport(device, { host: 'device', identityFile: '' });
    assert.equal((await transport.exec(['true'])).exitCode, 0);
  });

  it('refuses the changed key of a jump host', async () => {
    const [jump, device] = [await fixture.server('jump'), await fixture.server('device')];
    const wrong = `${jump.name} ${device.publicHostKey}\n`;
    fixture.know(device);
    writeFileSync(fixture.userKnownHosts, wrong, { flag: 'a' });
    fixture.configure([
      ...host('jump', jump.port),
      ...host('device', device.port, 'ProxyJump jump'),
    ]);
    const transport = fixture.transport(device, { host: 'device', identityFile: '' });
    await assert.rejects(transport.exec(['true']), failsWith('hostKeyChanged'));
  });

  it('says when a jump host cannot go on, or is reached through itself', async () => {
    const [jump, device] = [await fixture.server('jump'), await fixture.server('device')];
    fixture.know(jump, device);
    fixture.configure([
      ...host('jump', jump.port),
      ...host('device', device.port, 'ProxyJump jump'),
    ]);
    await device.stop();
    const transport = fixture.transport(device, { host: 'device', identityFile: '' });
    await assert.rejects(
      transport.exec(['true']),
      failsWith('unreachable', /jump host could not reach 127\.0\.0\.1/),
    );
    fixture.configure(['Host *', 'ProxyJump jump', ...host('jump', jump.port)]);
    await assert.rejects(transport.exec(['true']), failsWith('configuration', /more than 8 jump/));
  });

  it('says when the configuration is wrong, or wants what Flick does not do', async () => {
    const server = await fixture.server();
    fixture.configure(['Host *', 'NoSuchOption yes']);
    const transport = fixture.transport(server);
    await assert.rejects(
      transport.exec(['true']),
      failsWith('configuration', /line 2: Bad configuration option: nosuchoption/),
    );
    fixture.configure(['Host *', 'ProxyCommand nc %h %p']);
    await assert.rejects(transport.exec(['true']), failsWith('configuration', /ProxyCommand/));
  });

  it('says when a name is unknown or nothing answers', async () => {
    const server = await fixture.server();
    const nameless = fixture.transport(server, { host: 'no-such-host.invalid' });
    await assert.rejects(nameless.exec(['true']), failsWith('unreachable', /no host of that name/));
    const mute = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    fixture.configure(host('mute', port));
    const timing = { connectMs: 500, keepAliveMs: 10_000 };
    const silent = fixture.transport(server, { host: 'mute', timing });
    await assert.rejects(silent.exec(['true']), failsWith('unreachable', /did not answer in time/));
    mute.close();
  });

  it('notices a device that vanished without a word', async () => {
    const server = await fixture.server();
    const sockets: Socket[] = [];
    const relay = createServer((near) => {
      const far = connect(server.port, '127.0.0.1');
      sockets.push(near, far);
      near.on('error', () => undefined).pipe(far);
      far.on('error', () => undefined).pipe(near);
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    fixture.configure(host('relayed', (relay.address() as AddressInfo).port));
    const timing = { connectMs: 20_000, keepAliveMs: 500 };
    const transport = fixture.transport(server, { host: 'relayed', timing });
    await transport.exec(['true']);
    const running = assert.rejects(transport.exec(['sleep', '60']), failsWith('closed'));
    const closed = new Promise<Error | undefined>((resolve) => transport.onDidClose(resolve));
    const stoppedAt = Date.now();
    for (const socket of sockets) socket.unpipe().pause();
    assert.match((await closed)?.message ?? '', /Keepalive timeout/);
    await running;
    const took = Date.now() - stoppedAt;
    // The first of three misses may have been under way.
    assert.ok(took > 500 && took < 30_000, `${took} ms`);
    for (const socket of sockets) socket.destroy();
    relay.close();
  });
});
