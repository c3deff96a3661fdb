import assert from 'node:assert/strict';
import type { Fleet } from '../../client/fleet.ts';
import type { HandoffStep } from '../../protocol/index.ts';
import { Debugger, debugFolders, lineOf, type Stop } from './debugging.ts';
import { beats, eventually, fleetOf, LabFixture } from './labFixture.ts';
import { assertSaid } from './steady.ts';
import { UnderWay } from './underWay.ts';

const program = 'steps.cjs';
const file = `/root/debugged/${program}`;
const port = '8199';
const line = {
  first: lineOf(program, '// first'),
  second: lineOf(program, '// second'),
  third: lineOf(program, '// third'),
} as const;

describe('a debug session while its process moves', function () {
  this.timeout(90_000);
  let fixture: LabFixture;
  let fleet: Fleet;
  let id: string;
  let debug: Debugger;
  let stop: Stop;
  let total: number;

  before(async function () {
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const each of ['alpha-dev', 'beta-dev']) await fixture.flick.run(['device', 'rm', each]);
    await fixture.place('alpha', program, file);
  });
  after(() => fixture?.down());

  beforeEach(async () => {
    fleet = fleetOf(fixture);
    id = await fixture.start('alpha', 'debugged', ['node', file, port]);
    // Both agents are there before a link is slow.
    await fixture.flick.run(['ps', '--on', 'beta']);
  });
  afterEach(async () => {
    await fixture.lab.rate('beta', 'off');
    debug.vanish();
    fleet.dispose();
    await fixture.end(id);
  });

  /** Attaches and stops at the first line of `add`. */
  async function stopAtFirst(graceMs?: number): Promise<void> {
    debug = await Debugger.attach(fleet, 'alpha', id, graceMs);
    await debug.breakAt(file, line.first);
    stop = await debug.stop();
    total = Number(await debug.value(stop.frame, 'total'));
  }

  /** Begins a move to beta over a slow link and waits for a step of it. */
  async function moveSlowly(
    step: HandoffStep,
    rate: string,
    way: readonly string[] = [],
  ): Promise<UnderWay> {
    await fixture.lab.rate('beta', rate);
    const move = new UnderWay(fixture.lab.flickHome, ['move', id, 'beta', ...way]);
    await move.reaches(step);
    return move;
  }

  /** A move that has the process stand still for seconds: its images alone take one of them, and its memory follows. */
  async function standStill(rate = '1mbit'): Promise<UnderWay> {
    return moveSlowly('send', rate, ['--memory', 'stop-and-copy']);
  }

  /** Both devices know its memory then, so that even over a very slow link only its stand-still takes long. */
  async function moveThereAndBack(): Promise<void> {
    for (const device of ['beta', 'alpha']) {
      await fixture.move(id, device);
      await debug.attachedOn(device);
    }
  }

  /** The stop is as it was, and stepping goes on from there on alpha. */
  async function assertAsBefore(): Promise<void> {
    await debug.attachedOn('alpha');
    assert.deepEqual(debug.stops, []);
    assert.equal(await debug.value(stop.frame, 'total'), total);
    await debug.main.send('Debugger.stepOver', {});
    assert.equal((await debug.stop()).line, line.second);
    await debug.main.send('Debugger.resume', {});
    assert.equal((await debug.stop()).line, line.first, 'the breakpoint is hit again');
    assert.equal(debug.restarts, 0);
    assert.ok(debug.welcomes.slice(1).every(({ resumed }) => resumed));
  }

  it('a step happens once, after it, and breakpoints set and removed meanwhile count then', async () => {
    await stopAtFirst();
    const late = await debug.breakAt(file, line.second);
    await moveThereAndBack();
    const { length: told } = debug.states;
    const move = await standStill();
    const stepped = debug.main.send('Debugger.stepOver', {});
    const set = debug.breakAt(file, line.third);
    const removed = debug.main.send('Debugger.removeBreakpoint', { breakpointId: late });
    await move.reaches('restore');
    assert.deepEqual(debug.stops, []);
    assertSaid(await move.ended, 0);
    await debug.attachedOn('beta');
    await Promise.all([stepped, set, removed]);
    assert.equal((await debug.stop()).line, line.second);
    await debug.main.send('Debugger.resume', {});
    const third = await debug.stop();
    assert.equal(third.line, line.third);
    assert.deepEqual(third.hits, [await set]);
    assert.equal(await debug.value(third.frame, 'total'), total + 2);
    await debug.main.send('Debugger.resume', {});
    assert.equal((await debug.stop()).line, line.first);
    await debug.main.send('Debugger.resume', {});
    assert.equal((await debug.stop()).line, line.third, 'nothing stops at the removed one');
    assert.equal(debug.restarts, 0);
    assert.ok(
      debug.states.slice(told).some((state) => state.kind === 'moving'),
      'it was told that the process moves',
    );
  });

  it('nothing has happened when the check refuses the move', async () => {
    const listen = `require('node:net').createServer().listen(${port})`;
    await fixture.on('beta', [
      ...['sh', '-c', 'cd / && setsid --fork "$@" < /dev/null > /dev/null 2>&1', 'sh'],
      ...['node', '-e', listen],
    ]);
    const holder = await eventually(
      async () => (await fixture.pidsOf('beta', `^node -e .*listen.${port}`))[0],
      'somebody else listens',
    );
    await stopAtFirst();
    await eventually(async () => {
      assertSaid(await fixture.refuse(id, 'beta'), 3, /blocks .*port/i);
      return true;
    }, 'the move is refused');
    await fixture.on('beta', ['kill', '-9', String(holder)]);
    await assertAsBefore();
  });

  for (const step of ['copy', 'send'] as const) {
    it(`nothing has happened when the move is cancelled at “${step}”`, async () => {
      await stopAtFirst();
      const move = await (step === 'copy' ? moveSlowly(step, '8mbit') : standStill());
      move.signal('SIGINT');
      assertSaid(await move.ended, 1, /cancelled/i);
      await assertAsBefore();
    });
  }

  it('nothing has happened when the agent of the target is killed', async () => {
    await stopAtFirst();
    const move = await standStill();
    await fixture.killAgent('beta');
    await fixture.lab.rate('beta', 'off');
    assertSaid(await move.ended, 1);
    await assertAsBefore();
  });

  it('nothing has happened when the agent of the source is killed', async () => {
    await stopAtFirst();
    const move = await standStill();
    await fixture.killAgent('alpha');
    await fixture.lab.rate('beta', 'off');
    assertSaid(await move.ended, 1);
    await assertAsBefore();
  });

  it('goes on by its token when the agent is killed at any other time', async () => {
    await stopAtFirst();
    await fixture.killAgent('alpha');
    await debug.connected(2);
    await assertAsBefore();
  });

  it('is one of two, and both survive', async () => {
    await stopAtFirst();
    const other = await Debugger.attach(fleet, 'alpha', id);
    try {
      const seen = await other.stop();
      assert.equal(seen.line, line.first);
      await fixture.move(id, 'beta');
      await Promise.all([debug.attachedOn('beta'), other.attachedOn('beta')]);
      assert.equal(await debug.value(stop.frame, 'total'), total);
      assert.equal(await other.value(seen.frame, 'total'), total);
      await other.main.send('Debugger.stepOver', {});
      assert.equal((await other.stop()).line, line.second);
      assert.equal((await debug.stop()).line, line.second);
      await other.leave();
      // Who has left does not let the process run that somebody else holds.
      await debug.main.send('Debugger.stepOver', {});
      assert.equal((await debug.stop()).line, line.third);
      await debug.leave();
      for (const device of ['alpha', 'beta']) {
        await eventually(
          async () => ((await debugFolders(fixture, device)).length === 0 ? true : undefined),
          `nothing is left on ${device}`,
        );
      }
    } finally {
      other.vanish();
    }
  });

  it('that has vanished lets the process run on after its grace; the time on the way does not count', async () => {
    const grace = 2_000;
    await stopAtFirst(grace);
    await moveThereAndBack();
    const beaten = beats(await fixture.logs(id)).length;
    const move = await standStill('300kbit');
    debug.vanish();
    const frozenAt = performance.now();
    await move.reaches('resume');
    assert.ok(performance.now() - frozenAt > grace, 'it stood still for longer than the grace');
    assertSaid(await move.ended, 0);
    assert.equal(beats(await fixture.logs(id)).length, beaten, 'it is still held');
    await eventually(
      async () => (beats(await fixture.logs(id)).length > beaten + 3 ? true : undefined),
      'it runs on',
    );
    await eventually(
      async () => ((await debugFolders(fixture, 'beta')).length === 0 ? true : undefined),
      'the runtime has gone',
    );
  });

  it('attaches a second time as fast as the first time', async () => {
    const took: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const begun = performance.now();
      debug = await Debugger.attach(fleet, 'alpha', id);
      took.push(performance.now() - begun);
      await debug.leave();
      await eventually(
        async () => ((await debugFolders(fixture, 'alpha')).length === 0 ? true : undefined),
        'the runtime has gone',
      );
    }
    // The first time counts the connection to the device too.
    const again = took.slice(1);
    assert.ok(Math.max(...again) < 500, `attaching took ${took.map(Math.round).join(', ')} ms`);
  });
});
