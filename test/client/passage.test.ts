import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { LocalTransport } from '../../client/transports/local.ts';
import { launchProcess, signalProcess } from '../../protocol/index.ts';
import { requireProvisioned, requireRoot } from '../support/provisioned.ts';
import { makeLocalFleet, type LocalFleet } from './localFleet.ts';

/** Leads to an agent as it was before there were links: what it is asked of them, it does not understand. */
class OlderTransport extends LocalTransport {
  override async connect(): Promise<Duplex> {
    const stream = await super.connect();
    const write = stream.write.bind(stream) as (...words: unknown[]) => boolean;
    stream.write = (chunk: unknown, ...rest: unknown[]) => {
      const text = Buffer.isBuffer(chunk) ? chunk.toString('latin1') : chunk;
      // Of the same length, for the message's header says how long it is.
      const asked = typeof text === 'string' && text.includes('"link":true');
      if (!asked) return write(chunk, ...rest);
      return write(Buffer.from(text.replace('"link":true', '"none":true'), 'latin1'), ...rest);
    };
    return stream;
  }
}

describe('the way between two agents', function () {
  this.timeout(60_000);
  let lab: LocalFleet | undefined;

  before(function () {
    requireRoot(this);
    requireProvisioned(this, 'criu');
  });
  afterEach(async () => {
    await lab?.dispose();
    lab = undefined;
  });

  for (const older of ['alpha', 'beta']) {
    it(`is through the client when the agent of the ${older === 'alpha' ? 'source' : 'target'} knows no links`, async () => {
      const { fleet, device } = (lab = await makeLocalFleet(['alpha', 'beta'], (home, name) =>
        name === older ? new OlderTransport(home) : new LocalTransport(home),
      ));
      const [from, to] = [device('alpha'), device('beta')];
      await from.connect();
      const { process } = await from.request(launchProcess, { command: ['sleep', '100'] });
      const outcome = await fleet.move(from, process.id, to, { acceptWarnings: true });
      assert.equal(outcome.way, 'relayed');
      assert.ok(outcome.relayedBytes >= outcome.bytesSent);
      assert.equal((await to.listProcesses())[0]?.state, 'running');
      await to.request(signalProcess, { id: process.id, signal: 'SIGKILL' });
    });
  }
});
