import assert from 'node:assert/strict';
import type { Moved } from '../support/flick.ts';
import { SampledTests } from '../support/sampledTests.ts';
import { beats, broken, eventually, LabFixture } from './labFixture.ts';

const holder = '/opt/holder.py';
const mebibytes = 320;

describe('a process that runs before its memory is there', function () {
  const tests = new SampledTests('post-copy');
  this.timeout(120_000);
  let fixture: LabFixture;
  let started: string | undefined;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const device of ['alpha', 'beta']) await fixture.place(device, 'holder.py', holder);
    // The agents are there before anything is slow or cut.
    await fixture.list();
  });
  after(() => fixture?.down());
  afterEach(async () => {
    await fixture.lab.rate('beta', 'off');
    if (started !== undefined) await fixture.end(started);
    started = undefined;
  });

  async function start(name: string, size = mebibytes): Promise<string> {
    started = await fixture.start('alpha', name, ['python3', holder, String(size)]);
    const id = started;
    await eventually(
      async () => (beats(await fixture.logs(id)).length > 0 ? true : undefined),
      'it has filled its memory',
      60_000,
    );
    return id;
  }

  /** Moves it over a link of 80 Mbit/s without copying anything while it runs on the source. */
  async function moveEarly(id: string): Promise<Moved> {
    await fixture.lab.rate('beta', '80mbit');
    return fixture.flick.json<Moved>(['move', id, 'beta', '--memory', 'post-copy']);
  }

  async function assertWhole(id: string, times = 1): Promise<void> {
    await fixture.flick.run(['kill', id, '--signal', 'USR1']);
    const said = await eventually(
      async () => /(?:whole|broken) .*\n/.exec(await fixture.logs(id))?.[0],
      'it has looked at its memory',
      60_000,
    );
    assert.match(said, new RegExp(`whole ${times}`));
    assert.equal(broken(beats(await fixture.logs(id))), undefined);
  }

  async function copies(device: string): Promise<number> {
    return (await fixture.pidsOf(device, `^python3 ${holder}`)).length;
  }

  async function parted(id: string, timeoutMs = 60_000): Promise<void> {
    await eventually(
      async () => {
        const places = (await fixture.list()).filter((each) => each.id === id);
        return places.length === 1 && places[0]?.memory === undefined ? true : undefined;
      },
      'all of its memory has arrived',
      timeoutMs,
    );
    assert.deepEqual([await copies('alpha'), await copies('beta')], [0, 1]);
  }

  tests.add('goes on at once, and all of its memory comes', async () => {
    const id = await start('early');
    const moved = await moveEarly(id);
    assert.equal(moved.memory?.way, 'post-copy');
    assert.ok(moved.memory.missingBytes > 100 << 20, JSON.stringify(moved.memory));
    assert.deepEqual([await copies('alpha'), await copies('beta')], [1, 1]);
    await parted(id);
    await assertWhole(id);
  });

  tests.register(1);
});
