import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Moved } from '../support/flick.ts';
import { SampledTests } from '../support/sampledTests.ts';
import { beats, broken, eventually, LabFixture } from './labFixture.ts';
import { assertSaid } from './steady.ts';

const holder = '/opt/holder.py';

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
    await fixture.joinDirectWay();
    await fixture.lab.rate('beta', 'off');
    if (started !== undefined) await fixture.end(started);
    started = undefined;
  });

  async function start(name: string, mebibytes: number): Promise<string> {
    started = await fixture.start('alpha', name, ['python3', holder, String(mebibytes)]);
    const id = started;
    await eventually(
      async () => (beats(await fixture.logs(id)).length > 0 ? true : undefined),
      'it has filled its memory',
      60_000,
    );
    return id;
  }

  const postCopy = (id: string): readonly string[] => ['move', id, 'beta', '--memory', 'post-copy'];

  /** Moves it over a slow link without copying anything while it runs on the source. */
  async function moveEarly(id: string, rate = '40mbit'): Promise<Moved> {
    await fixture.lab.rate('beta', rate);
    const moved = await fixture.flick.json<Moved>(postCopy(id));
    assert.equal(moved.memory?.way, 'post-copy');
    assert.ok(moved.memory.missingBytes > 0, JSON.stringify(moved.memory));
    // Its command line is in memory too, and may have to arrive before it can be found by it.
    await eventually(
      async () => ((await copies()).join() === '1,1' ? true : undefined),
      'the original stands there and the copy runs here',
    );
    return moved;
  }

  /** How many there are on the two devices, one that stands still counted too. */
  async function copies(): Promise<number[]> {
    const mark = `^python3 ${holder}`;
    const found = await Promise.all(['alpha', 'beta'].map((each) => fixture.pidsOf(each, mark)));
    return found.map((each) => each.length);
  }

  /** Waits until the source has let go of it, and asserts that all of it is on the target. */
  async function assertWhole(id: string): Promise<void> {
    await eventually(
      async () => {
        const places = (await fixture.list()).filter((each) => each.id === id);
        const [only] = places;
        const isThere = only?.device === 'beta' && only.memory === undefined;
        return places.length === 1 && isThere ? true : undefined;
      },
      'all of its memory has arrived',
      60_000,
    );
    assert.deepEqual(await copies(), [0, 1]);
    await assertMemory(id);
  }

  /** Asserts that it finds all of its memory as it was, and has missed no beat. */
  async function assertMemory(id: string): Promise<void> {
    const asked = await fixture.flick.run(['kill', id, '--signal', 'USR1']);
    assert.equal(asked.code, 0, asked.stderr);
    const [said] = await eventually(
      async () => /(?:whole|broken) \d+/.exec(await fixture.logs(id)) ?? undefined,
      'it has looked at its memory',
      60_000,
    );
    assert.equal(said, 'whole 1');
    assert.equal(broken(beats(await fixture.logs(id))), undefined);
  }

  async function stateOn(device: string, id: string): Promise<string | undefined> {
    return (await fixture.list()).find((each) => each.id === id && each.device === device)?.state;
  }

  tests.add('goes on at once, and all of its memory comes', async () => {
    const id = await start('early', 320);
    const moved = await moveEarly(id, '200mbit');
    assert.ok((moved.memory?.missingBytes ?? 0) > 100 << 20, JSON.stringify(moved.memory));
    // With all of its memory it would have stood still for a quarter of a minute.
    assert.ok(moved.downtimeMs < 5_000, `it stood still for ${moved.downtimeMs} ms`);
    assertSaid(await fixture.refuse(id, 'alpha'), 1, /memory of “early” is still arriving/);
    assert.deepEqual(
      [await stateOn('alpha', id), await stateOn('beta', id)],
      ['moving', 'running'],
    );
    await assertWhole(id);
    await fixture.lab.rate('beta', 'off');
    assert.equal((await fixture.move(id, 'alpha')).process.device, 'alpha');
  });

  tests.add('waits for it while the link is cut, and goes on', async () => {
    const id = await start('cut', 64);
    await moveEarly(id);
    await fixture.cutDirectWay();
    // Long enough for both ends to find the connection dead.
    await delay(7_000);
    // Its command line is in memory too, and may have to arrive before it can be found by it.
    await eventually(
      async () => ((await copies()).join() === '1,1' ? true : undefined),
      'the original stands there and the copy runs here',
    );
    await fixture.joinDirectWay();
    await assertWhole(id);
  });

  tests.add('waits for it where the link goes through this machine', async () => {
    await fixture.cutDirectWay();
    const id = await start('relayed', 24);
    await fixture.lab.rate('beta', '40mbit');
    const moved = await fixture.flick.json<Moved>(postCopy(id));
    assert.deepEqual([moved.way, moved.memory?.way], ['relayed', 'stop-and-copy']);
    await assertWhole(id);
  });

  for (const [device, what] of [
    ['alpha', 'source'],
    ['beta', 'target'],
  ] as const) {
    tests.add(`gets the rest after the agent of the ${what} was killed`, async () => {
      const id = await start(`orphan-${what}`, 64);
      await moveEarly(id);
      await fixture.killAgent(device);
      // Its command line is in memory too, and may have to arrive before it can be found by it.
      await eventually(
        async () => ((await copies()).join() === '1,1' ? true : undefined),
        'the original stands there and the copy runs here',
      );
      await assertWhole(id);
    });
  }

  tests.add('gets the rest when the devices meet again after their link was given up', async () => {
    for (const device of ['alpha', 'beta']) await fixture.makeImpatient(device);
    const id = await start('parted', 64);
    await moveEarly(id);
    await fixture.cutDirectWay();
    await eventually(
      async () => ((await stateOn('alpha', id)) === 'inDoubt' ? true : undefined),
      'the source has given the link up',
      30_000,
    );
    // Its command line is in memory too, and may have to arrive before it can be found by it.
    await eventually(
      async () => ((await copies()).join() === '1,1' ? true : undefined),
      'the original stands there and the copy runs here',
    );
    await fixture.joinDirectWay();
    await assertWhole(id);
    for (const device of ['alpha', 'beta']) await fixture.killAgent(device);
  });

  tests.add(
    'goes on as it left, if a person says so, when its new device lost its power',
    async () => {
      const id = await start('power', 64);
      await moveEarly(id);
      await fixture.lab.kill('beta');
      await fixture.lab.boot('beta');
      await eventually(
        async () => {
          const { doubt } = (await fixture.list()).find((each) => each.device === 'alpha') ?? {};
          return doubt?.what === 'lostThere' ? true : undefined;
        },
        'people are asked',
        45_000,
      );
      // Until somebody has said so it does not run again.
      assert.deepEqual(await copies(), [1, 0]);
      const before = beats(await fixture.logs(id)).at(-1);
      assertSaid(await fixture.flick.run(['resolve', id, '--run-here', '--yes']), 0);
      const after = await eventually(
        async () => beats(await fixture.logs(id)).find((each) => each > (before ?? 0)),
        'the original goes on',
      );
      assert.equal(after, (before ?? 0) + 1);
      await assertMemory(id);
    },
  );

  tests.add('waits for ever, and says so, when the original was lost', async () => {
    const id = await start('stranded', 64);
    await moveEarly(id);
    const [original] = await fixture.pidsOf('alpha', `^python3 ${holder}`);
    const keeper = await fixture.on('alpha', ['sh', '-c', `cut -d' ' -f4 /proc/${original}/stat`]);
    await fixture.on('alpha', ['kill', '-9', keeper.trim()]);
    await eventually(
      async () => ((await stateOn('beta', id)) === 'inDoubt' ? true : undefined),
      'people see that memory is missing for good',
      30_000,
    );
    assertSaid(await fixture.flick.run(['resolve', id, '--gone', '--yes']), 0);
    await eventually(
      async () => ((await copies()).join() === '0,0' ? true : undefined),
      'what cannot go on is ended',
    );
    assert.doesNotMatch(await fixture.logs(id), /whole|broken/);
  });

  tests.add('needs none of it any more when it ends', async () => {
    const id = await start('ended', 64);
    await moveEarly(id);
    await fixture.flick.run(['kill', id, '--signal', 'KILL']);
    await eventually(
      async () => ((await copies()).join() === '0,0' ? true : undefined),
      'the original is let go',
    );
    assert.equal(await stateOn('beta', id), 'exited');
    assert.equal(await stateOn('alpha', id), undefined);
  });

  tests.register(2);
});
