import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { sample } from '../support/seed.ts';
import { Ground } from './faults/ground.ts';
import { Observer } from './faults/observe.ts';
import { eventually } from './labFixture.ts';
import { assertSaid } from './steady.ts';
import { UnderWay } from './underWay.ts';

/** Moments of a move at which one side's agent stands still while somebody presses Ctrl-C (agent/handoff/trace.ts). */
const moments = [
  ['source', 'check'],
  ['source', 'copy'],
  ['source', 'freeze'],
  ['source', 'announce'],
  ['source', 'send'],
  ['target', 'copy'],
  ['target', 'announced'],
  ['target', 'ready'],
  ['target', 'send'],
  ['target', 'restore'],
] as const;
/** By then the word that decides may be on its way already, and what is said tells which was first. */
const lateMoments = [
  ['source', 'restore'],
  ['source', 'commit'],
] as const;

describe('Ctrl-C while the portable engine moves a program', function () {
  this.timeout(120_000);
  const name = 'sequence-1';
  let ground: Ground;
  let id: string;
  let observer: Observer;

  before(async function () {
    this.timeout(90_000);
    ground = await Ground.up(this);
    await ground.ready(undefined);
    id = await ground.start(name, true);
    observer = new Observer(ground, name, id);
    await observer.goesOn('alpha');
  });
  after(() => ground?.down());
  afterEach(() => observer.assertOneSequence());

  const move = (): UnderWay =>
    new UnderWay(ground.fixture.lab.flickHome, ['move', id, 'beta', '--engine', 'v8']);

  async function interrupt(under: UnderWay): Promise<void> {
    under.signal('SIGINT');
    await under.says('Cancelling');
  }

  /** How often the source has let a process run on that was on its way. */
  function takenBack(): number {
    const log = readFileSync(ground.path('alpha', '/root/.flick/agent.log'), 'utf8');
    return log.split('"side":"source","at":"letRun"').length;
  }

  async function assertStayed(): Promise<void> {
    assert.equal(await observer.verdict(), 'source');
    await observer.goesOn('alpha');
    await observer.assertTidy('alpha');
  }

  it('leaves it running, with a sentence, while both devices look at it', async () => {
    const under = move();
    await under.reaches('check');
    await interrupt(under);
    assertSaid(await under.ended, 1, /The move was cancelled/);
    await assertStayed();
  });

  for (const [side, at] of sample('cancelled portable moves', moments, 1)) {
    it(`leaves it running, with a sentence, when the ${side} is at “${at}”`, async () => {
      const before = takenBack();
      ground.stopAt(side, at);
      const under = move();
      const agent = await ground.stopped(side === 'source' ? 'alpha' : 'beta', under);
      await interrupt(under);
      // The source takes it back without the target's help.
      if (side === 'target') {
        const isBack = (): Promise<true | undefined> =>
          Promise.resolve(takenBack() > before ? true : undefined);
        await eventually(isBack, 'the source takes its program back');
      }
      process.kill(agent, 'SIGCONT');
      assertSaid(await under.ended, 1, /The move was cancelled/);
      await assertStayed();
    });
  }

  for (const [side, at] of sample('cancelled late', lateMoments, 1)) {
    it(`is heard or too late, which is said, when the ${side} is at “${at}”`, async () => {
      ground.stopAt(side, at);
      const under = move();
      const agent = await ground.stopped('alpha', under);
      await interrupt(under);
      process.kill(agent, 'SIGCONT');
      const ran = await under.ended;
      if (ran.code !== 0) {
        assertSaid(ran, 1, /The move was cancelled/);
        await assertStayed();
        return;
      }
      assertSaid(ran, 0, /moved from alpha to beta/);
      assert.equal(await observer.verdict(), 'target');
      await observer.goesOn('beta');
      await observer.assertTidy('beta');
      await ground.fixture.flick.json(['move', id, 'alpha', '--engine', 'v8']);
      await observer.goesOn('alpha');
    });
  }
});
