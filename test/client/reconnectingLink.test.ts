import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReconnectingLink } from '../../client/reconnectingLink.ts';
import type { ConnectionState } from '../../client/connectionState.ts';
import type { Reboot } from '../../client/link.ts';
import { silentLogger } from '../../common/logger.ts';
import { failsWith, SshFixture } from './transports/ssh/sshFixture.ts';
import type { SshServer } from './transports/ssh/sshServer.ts';

describe('a link that comes back', function () {
  this.timeout(90_000);
  let fixture: SshFixture;
  let server: SshServer;
  let link: ReconnectingLink;
  let states: ConnectionState[];

  before(function () {
    SshFixture.require(this);
  });
  beforeEach(async () => {
    fixture = new SshFixture();
    server = await fixture.server();
    fixture.know(server);
    const { agentFile } = fixture;
    const transport = fixture.transport(server);
    link = new ReconnectingLink({ transport, agentFile, logger: silentLogger });
    states = [];
    link.onDidChangeState((state) => states.push(state));
  });
  afterEach(async () => {
    link?.dispose();
    await fixture?.dispose();
  });

  const reaches = async (kind: ConnectionState['kind']): Promise<ConnectionState> => {
    if (link.state.kind === kind) return link.state;
    return new Promise((resolve) => {
      const listener = link.onDidChangeState((state) => {
        if (state.kind !== kind) return;
        listener.dispose();
        resolve(state);
      });
    });
  };

  it('reconnects by itself after its server was killed, and shows when', async () => {
    await link.connect();
    assert.deepEqual(
      states.map((state) => state.kind),
      ['connecting', 'installing', 'connected'],
    );
    const reboots: Reboot[] = [];
    link.onDidReboot((reboot) => reboots.push(reboot));
    const before = Date.now();
    await server.stop();
    const waiting = await reaches('waiting');
    assert.ok(waiting.kind === 'waiting' && waiting.untilMs > before);
    assert.match(waiting.error.message, /^The connection was lost/);
    await reaches('connecting');
    const again = await reaches('waiting');
    assert.ok(again.kind === 'waiting' && /nothing listens/.test(again.error.message));
    await server.start();
    link.retryNow();
    await reaches('connected');
    assert.deepEqual(reboots, []);
  });

  it('announces that the device was started anew', async () => {
    await link.connect();
    const reboot = new Promise<Reboot>((resolve) => link.onDidReboot(resolve));
    await server.stop();
    writeFileSync(join(server.home, '.flick/boot-id'), 'second boot');
    await server.start();
    assert.deepEqual(await reboot, { previousBootId: 'first boot', bootId: 'second boot' });
    assert.equal(link.state.kind, 'connected');
    assert.equal(link.hello?.bootId, 'second boot');
  });

  it('stops at what only a person can mend, and goes on when told to', async () => {
    writeFileSync(fixture.userKnownHosts, `@revoked * ${server.publicHostKey}\n`);
    await assert.rejects(link.connect(), failsWith('hostKeyRevoked'));
    assert.equal(link.state.kind, 'failed');
    writeFileSync(fixture.userKnownHosts, '');
    link.retryNow();
    await reaches('connected');
  });

  it('sits out a refusal by a device that has let it in before', async () => {
    await link.connect();
    await server.stop();
    const keys = join(server.folder, 'authorized_keys');
    writeFileSync(keys, '');
    await server.start();
    // An attempt that began before the server was there may still fail otherwise.
    let why = '';
    while (!/did not accept/.test(why)) {
      await reaches('connecting');
      const waiting = await reaches('waiting');
      assert.ok(waiting.kind === 'waiting');
      why = waiting.error.message;
      assert.match(why, /did not accept|nothing listens|connection was lost/);
    }
    server.allow(fixture.key);
    await reaches('connected');
  });

  it('can be wanted again while it is being ended', async () => {
    const first = link.connect();
    link.disconnect();
    const kind = (): string => link.state.kind;
    assert.equal(kind(), 'disconnected');
    await Promise.all([first, link.connect()]);
    assert.equal(kind(), 'connected');
    link.disconnect();
    assert.equal(kind(), 'disconnected');
    assert.equal(link.peer, undefined);
  });
});
