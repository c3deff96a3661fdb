import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Device } from '../../client/device.ts';
import type { Fleet } from '../../client/fleet.ts';
import { describeDevice } from '../../protocol/index.ts';
import { isFullRun } from '../support/seed.ts';
import { eventually, fleetOf, LabFixture } from './labFixture.ts';
import { assertRunsOn } from './steady.ts';

const beat = '/opt/beat.py';
/** They take their time: `npm run test:full` only. */
const sizes = isFullRun ? [512, 2048] : [];
/** What an agent may take of the device's memory, in bytes. */
const mostResident = 200e6;
/** How long a request may wait for an agent that moves a process, in ms, on a machine that has other things to do too. */
const longestAnswer = 2_000;

describe('the agents of two devices', function () {
  this.timeout(900_000);
  let fixture: LabFixture;
  let fleet: Fleet;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    await fixture.place('alpha', 'beat.py', beat);
    fleet = fleetOf(fixture);
    for (const each of fleet.devices) if (!each.isLocal) await each.connect();
  });
  after(async () => {
    fleet?.dispose();
    await fixture?.down();
  });

  /** The most that the agent of a device has taken so far, in bytes. */
  async function mostOf(device: string): Promise<number> {
    const [pid] = await fixture.pidsOf(device, 'agent.cjs daemon');
    const status = await fixture.on(device, ['cat', `/proc/${String(pid)}/status`]);
    return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** Asks a device all the time. @returns what each answer took, in ms, when it is told to stop */
  function asking(device: Device): () => Promise<number[]> {
    const took: number[] = [];
    let isOver = false;
    const ask = (async () => {
      while (!isOver) {
        const before = performance.now();
        await device.request(describeDevice, {});
        took.push(performance.now() - before);
        await delay(5);
      }
    })();
    return async () => {
      isOver = true;
      await ask;
      return took;
    };
  }

  for (const megabytes of sizes) {
    it(`stay small and answer while a process of ${megabytes} MB moves there and back`, async () => {
      const id = await fixture.start('alpha', 'large', ['python3', beat, 'memory', `${megabytes}`]);
      await eventually(
        async () => ((await fixture.logs(id)).includes('beat 1') ? true : undefined),
        'its memory is filled',
        120_000,
      );
      for (const to of ['beta', 'alpha']) {
        const answers = [asking(fleet.device('alpha')), asking(fleet.device('beta'))];
        const ran = await fixture.flick.run(['move', id, to], { timeoutMs: 300_000 });
        assert.equal(ran.code, 0, ran.stderr);
        const [longest = 0] = (await Promise.all(answers.map((each) => each())))
          .flat()
          .sort((a, b) => b - a);
        assert.ok(longest < longestAnswer, `${longest} ms`);
        await assertRunsOn(fixture, id, to);
        const most = [await mostOf('alpha'), await mostOf('beta')];
        console.log(`      ${megabytes} MB to ${to}: ${most.join(' and ')} bytes, ${longest} ms`);
        assert.ok(Math.max(...most) < mostResident, `${most.join()} bytes`);
      }
      await fixture.end(id);
    });
  }
});
