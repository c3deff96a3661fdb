import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Moved } from '../support/flick.ts';
import { beats, broken, LabFixture } from './labFixture.ts';
import { assertRunsOn, assertSaid } from './steady.ts';
import { UnderWay } from './underWay.ts';
import { SampledTests } from '../support/sampledTests.ts';

const beat = '/opt/beat.py';
const memory = '24';

describe('links between devices', function () {
  const tests = new SampledTests('links');
  this.timeout(90_000);
  let fixture: LabFixture;
  let started: string | undefined;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const device of ['alpha', 'beta']) await fixture.place(device, 'beat.py', beat);
    // The agents are there before anything is slow or cut.
    await fixture.list();
  });
  after(() => fixture?.down());
  afterEach(async () => {
    await fixture.joinDirectWay();
    await fixture.lab.rate('beta', 'off');
    if (started !== undefined) await fixture.end(started);
    started = undefined;
  });

  async function start(name: string): Promise<string> {
    started = await fixture.start('alpha', name, ['python3', beat, 'memory', memory]);
    return started;
  }

  /** A move that takes some seconds, most of them to copy the memory while the process runs. */
  async function slowMove(id: string): Promise<UnderWay> {
    await fixture.lab.rate('beta', '40mbit');
    return new UnderWay(fixture.lab.flickHome, ['move', '--json', id, 'beta']);
  }

  async function assertWhole(id: string, device: string): Promise<void> {
    await assertRunsOn(fixture, id, device);
    assert.equal(broken(beats(await fixture.logs(id))), undefined);
    const other = device === 'alpha' ? 'beta' : 'alpha';
    assert.deepEqual(await fixture.pidsOf(other, `^python3 ${beat}`), []);
  }

  async function loseSessions(device: string): Promise<void> {
    const sessions = await fixture.pidsOf(device, '^sshd: root');
    await fixture.on(device, ['kill', '-9', ...sessions.map(String)]);
  }

  async function outcomeOf(move: UnderWay): Promise<Moved> {
    const ran = await move.ended;
    assert.equal(ran.code, 0, `${ran.stdout}${ran.stderr}`);
    return JSON.parse(ran.stdout) as Moved;
  }

  tests.add('lead from one to the other where they can', async () => {
    const id = await start('direct');
    const { way, relayedBytes, bytesSent } = await fixture.move(id, 'beta');
    assert.deepEqual([way, relayedBytes], ['direct', 0]);
    assert.ok(bytesSent > 0);
    await assertWhole(id, 'beta');
  });

  tests.add('lead through this machine where they cannot reach each other', async () => {
    await fixture.cutDirectWay();
    const id = await start('relayed');
    const { way, relayedBytes, bytesSent } = await fixture.move(id, 'beta');
    assert.equal(way, 'relayed');
    assert.ok(relayedBytes >= bytesSent);
    await assertWhole(id, 'beta');
  });

  tests.add('continue after a cut between the devices', async () => {
    const id = await start('cut');
    const move = await slowMove(id);
    await move.reaches('copy');
    await fixture.cutDirectWay();
    // Long enough for both ends to find the connection dead.
    await delay(6_000);
    await fixture.joinDirectWay();
    assert.equal((await outcomeOf(move)).way, 'direct');
    await assertWhole(id, 'beta');
    const log = await fixture.on('alpha', ['cat', '/root/.flick/agent.log']);
    assert.match(log, /connected again/);
  });

  for (const lost of ['alpha', 'beta']) {
    tests.add(
      `continue after the connection of this machine to the ${lost === 'alpha' ? 'source' : 'target'} broke`,
      async () => {
        await fixture.cutDirectWay();
        const id = await start(`rejoined-${lost}`);
        const move = await slowMove(id);
        await move.reaches('copy');
        await loseSessions(lost);
        assert.equal((await outcomeOf(move)).way, 'relayed');
        await assertWhole(id, 'beta');
      },
    );
  }

  tests.add('can be missing when a move is cancelled', async () => {
    const id = await start('cancelled');
    const move = await slowMove(id);
    await move.reaches('copy');
    await fixture.cutDirectWay();
    move.signal('SIGINT');
    assertSaid(await move.ended, 1, /The move was cancelled/);
    await assertWhole(id, 'alpha');
  });

  tests.add('that never come back leave the process where it was, with a sentence', async () => {
    await fixture.makeImpatient('alpha');
    const id = await start('lost');
    const move = await slowMove(id);
    await move.reaches('copy');
    await fixture.cutDirectWay();
    assertSaid(await move.ended, 1, /connection between the devices was lost/);
    await assertRunsOn(fixture, id, 'alpha');
    await fixture.joinDirectWay();
    // The target, which waits longer, is in nobody's way.
    assert.equal((await fixture.move(id, 'beta')).way, 'direct');
    await assertWhole(id, 'beta');
  });

  tests.register(3);
});
