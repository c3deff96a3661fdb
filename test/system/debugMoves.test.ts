import assert from 'node:assert/strict';
import type { Fleet } from '../../client/fleet.ts';
import {
  debugCases,
  Debugger,
  debugFolders,
  footprint,
  lineOf,
  node24,
  startCase,
  type DebugCase,
} from './debugging.ts';
import { beats, broken, eventually, fleetOf, LabFixture } from './labFixture.ts';
import { deviceName, type Station } from './stations.ts';
import { sample } from '../support/seed.ts';

const program = 'steps.cjs';

const cases: readonly DebugCase[] = [
  ...debugCases,
  { title: 'an ordinary user, Node.js 24', user: 'dev', node: node24, adopted: false },
];

describe('a debug session goes along when its process moves', function () {
  this.timeout(90_000);
  let fixture: LabFixture;
  let fleet: Fleet;
  let id: string;

  before(async function () {
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    fleet = fleetOf(fixture);
    for (const user of ['root', 'dev'] as const) {
      for (const name of [program, 'spin.cjs']) {
        await fixture.place('alpha', name, `${folderOf(user)}/${name}`, user);
      }
    }
  });
  after(async () => {
    fleet?.dispose();
    await fixture?.down();
  });
  afterEach(async () => {
    await fixture.end(id);
  });

  function folderOf(user: 'root' | 'dev'): string {
    return user === 'root' ? '/root/debugged' : '/home/dev/debugged';
  }

  async function begin(name: string, each: DebugCase): Promise<string> {
    const file = `${folderOf(each.user)}/${name}`;
    id = await startCase(fixture, each, name, file);
    if (!each.adopted) {
      await eventually(
        async () => ((await fixture.logs(id)) === '' ? undefined : true),
        'it says something',
      );
    }
    return file;
  }

  async function pid(): Promise<number> {
    const listed = await fixture.find(id);
    assert.ok(listed?.pid);
    return listed.pid;
  }

  async function move(to: Station, user: 'root' | 'dev'): Promise<void> {
    await fixture.move(id, deviceName(to, user));
  }

  async function assertGone(device: Station): Promise<void> {
    await eventually(
      async () => ((await debugFolders(fixture, device)).length === 0 ? true : undefined),
      `no folder of debug sockets is left on ${device}`,
    );
  }

  for (const each of sample('debug moves, stopped', cases, 3)) {
    it(`stopped at a breakpoint: ${each.title}`, async () => {
      const { user } = each;
      const file = await begin(program, each);
      const home = await pid();
      if (!each.adopted) {
        await eventually(
          async () => (beats(await fixture.logs(id)).length > 2 ? true : undefined),
          'it beats',
        );
      }
      const before = await footprint(fixture, 'alpha', home);
      const first = lineOf(program, '// first');
      const debug = await Debugger.attach(fleet, deviceName('alpha', user), id);
      try {
        const third = await debug.breakAt(file, first, { hitCondition: '%3' });
        const stop = await debug.stop();
        assert.deepEqual(stop.hits, [third]);
        const total = await debug.value(stop.frame, 'total');
        const { result: depot } = await debug.main.send('Debugger.evaluateOnCallFrame', {
          callFrameId: stop.frame.callFrameId,
          expression: 'depot',
        });
        const shelf = (await debug.properties(depot.objectId ?? '')).get('shelf');

        await move('beta', user);
        await debug.attachedOn(deviceName('beta', user));
        assert.equal(debug.welcomes.at(-1)?.resumed, true);
        assert.equal(await debug.value(stop.frame, 'total'), total, 'the frame is the same');
        const box = (await debug.properties(shelf?.objectId ?? '')).get('box');
        const label = (await debug.properties(box?.objectId ?? '')).get('label');
        assert.equal(label?.value, 'kept');
        await debug.value(stop.frame, 'amount = 100; depot.shelf.box.label = "edited"; 0');
        for (const text of ['// second', '// third']) {
          await debug.main.send('Debugger.stepOver', {});
          assert.equal((await debug.stop()).line, lineOf(program, text));
        }
        await debug.main.send('Debugger.resume', {});
        // The hits before the move count.
        const again = await debug.stop();
        assert.equal(again.line, first);
        assert.equal(await debug.value(again.frame, 'total'), Number(total) + 100 + 2 * 2);

        await move('alpha', user);
        await debug.attachedOn(deviceName('alpha', user));
        await debug.main.send('Debugger.resume', {});
        const last = await debug.stop();
        assert.equal(await debug.value(last.frame, 'total'), Number(total) + 100 + 5 * 2);
        assert.equal(debug.restarts, 0);
        await debug.leave();
        await assertGone('alpha');
        await assertGone('beta');
        await eventually(async () => {
          assert.deepEqual(await footprint(fixture, 'alpha', await pid()), before);
          return true;
        }, 'threads and sockets are those of before');
        if (!each.adopted) {
          const logs = await eventually(async () => {
            const said = await fixture.logs(id);
            return /edited/.test(said) ? said : undefined;
          }, 'the edited value shows');
          assert.equal(broken(beats(logs)), undefined);
          assert.deepEqual(
            logs.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('beat ')),
            [],
          );
        }
      } finally {
        debug.vanish();
      }
    });
  }

  for (const each of sample('debug moves, running', cases, 2)) {
    it(`running: ${each.title}`, async () => {
      const { user } = each;
      const file = await begin(program, each);
      const debug = await Debugger.attach(fleet, deviceName('alpha', user), id);
      try {
        await move('beta', user);
        await debug.attachedOn(deviceName('beta', user));
        const breakpointId = await debug.breakAt(file, lineOf(program, '// second'));
        const stop = await debug.stop();
        assert.deepEqual(stop.hits, [breakpointId]);
        await debug.leave();
        await assertGone('beta');
      } finally {
        debug.vanish();
      }
    });
  }

  for (const each of sample('debug moves, spinning', cases, 2)) {
    it(`spinning: ${each.title}`, async () => {
      const { user } = each;
      await begin('spin.cjs', each);
      const debug = await Debugger.attach(fleet, deviceName('alpha', user), id);
      try {
        await debug.main.send('Debugger.pause');
        const stop = await debug.stop();
        const turns = Number(await debug.value(stop.frame, 'turns'));
        await debug.main.send('Debugger.resume', {});
        await move('beta', user);
        await debug.attachedOn(deviceName('beta', user));
        await debug.main.send('Debugger.pause');
        const later = await debug.stop();
        assert.ok(Number(await debug.value(later.frame, 'turns')) > turns);
        await debug.value(later.frame, 'turns = -1e15; 0');
        await debug.main.send('Debugger.resume', {});
        await move('alpha', user);
        await debug.attachedOn(deviceName('alpha', user));
        await debug.main.send('Debugger.pause');
        const home = await debug.stop();
        assert.ok(Number(await debug.value(home.frame, 'turns')) < 0);
        await debug.leave();
        await assertGone('alpha');
        await assertGone('beta');
      } finally {
        debug.vanish();
      }
    });
  }
});
