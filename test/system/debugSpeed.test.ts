import assert from 'node:assert/strict';
import type { Fleet } from '../../client/fleet.ts';
import { VariableStore } from '../../debug-adapter/variables/variableStore.ts';
import { Debugger } from './debugging.ts';
import { isFullRun } from '../support/seed.ts';
import { fleetOf, LabFixture } from './labFixture.ts';

const program = `
const list = Array.from({ length: 100000 }, (_, index) => ({ index }));
function turn(count) {
  const next = count + 1;
  const half = next / 2;
  return list.length + half; // line 6
}
let count = 0;
setInterval(() => { count += 1; turn(count); }, 1);
`;
const file = '/srv/app/turns.js';

/** Limits of what a person waits for, in ms. */
const limits = { attach: 500, stepBeyondRoundTrip: 20, list: 300 };

describe('the speed of a debug session', function () {
  this.timeout(180_000);
  let fixture: LabFixture;
  let fleet: Fleet;

  before(async function () {
    fixture = await LabFixture.up(this, ['alpha']);
    fleet = fleetOf(fixture);
    await fixture.on('alpha', ['sh', '-c', 'mkdir -p /srv/app && cat > /srv/app/turns.js'], {
      input: program,
    });
  });
  after(async () => {
    fleet?.dispose();
    await fixture?.down();
  });

  /** Memory of the agent, in bytes. */
  async function agentMemory(): Promise<number> {
    const [pid] = await fixture.pidsOf('alpha', 'agent.cjs daemon');
    const status = await fixture.on('alpha', ['cat', `/proc/${String(pid)}/status`]);
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  }

  async function steps(session: Debugger, count: number): Promise<number[]> {
    const times: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const begun = performance.now();
      void session.main.send('Debugger.stepOver', {});
      await session.stop();
      times.push(performance.now() - begun);
    }
    return times;
  }

  async function roundTrip(session: Debugger): Promise<number> {
    const times: number[] = [];
    for (let index = 0; index < 20; index += 1) {
      const begun = performance.now();
      // Answered by the runtime itself, without the program's main thread.
      await session.main.send('Flick.start');
      times.push(performance.now() - begun);
    }
    return median(times);
  }

  for (const { link, delay } of [
    { link: 'a link as it is', delay: 'off' },
    { link: 'a link with a round trip of 50 ms more', delay: '25ms' },
  ]) {
    it(`is felt nowhere over ${link}`, async () => {
      const id = await fixture.start('alpha', 'turns', ['node', file]);
      await fleet.device('alpha').connect();
      await fixture.lab.delay('alpha', delay);
      const begun = performance.now();
      const session = await Debugger.attach(fleet, 'alpha', id);
      const attach = performance.now() - begun;
      await session.breakAt(file, 4);
      await session.stop();
      const trip = await roundTrip(session);
      const step = median(await steps(session, 40));
      const { result: list } = await session.main.send('Debugger.evaluateOnCallFrame', {
        callFrameId: await current(session),
        expression: 'list',
        generatePreview: true,
      });
      const store = new VariableStore({ supportsMemory: true, supportsPaging: true });
      const { variablesReference } = store.present(session.main, list, {});
      const { signal } = new AbortController();
      const expanding = performance.now();
      const [page] = await Promise.all([
        store.variables({ variablesReference, filter: 'indexed', start: 0, count: 100 }, signal),
        store.variables({ variablesReference, filter: 'named' }, signal),
      ]);
      const expand = performance.now() - expanding;
      assert.equal(page.length, 100);
      console.log(
        `      attach ${shown(attach)}, round trip ${shown(trip)}, step ${shown(step)}, page of a list of 100,000 ${shown(expand)}`,
      );
      // Over a slow link every message takes its time; what counts is what is added to that.
      if (delay === 'off') assert.ok(attach < limits.attach, `attach took ${shown(attach)}`);
      assert.ok(step - trip < limits.stepBeyondRoundTrip, `a step took ${shown(step)}`);
      assert.ok(expand < limits.list, `a list took ${shown(expand)}`);
      await session.leave();
      await fixture.lab.delay('alpha', 'off');
      await fixture.end(id);
    });
  }

  const count = isFullRun ? 1_000 : 250;

  it(`costs the agent no memory over ${String(count)} steps`, async () => {
    const id = await fixture.start('alpha', 'turns', ['node', file]);
    const session = await Debugger.attach(fleet, 'alpha', id);
    await session.breakAt(file, 4);
    await session.stop();
    await steps(session, count / 2);
    const before = await agentMemory();
    await steps(session, count);
    const grown = (await agentMemory()) - before;
    console.log(`      the agent grew by ${String(Math.round(grown / 1024))} KiB`);
    assert.ok(grown < 8 << 20, `the agent grew by ${String(grown)} bytes`);
    await session.leave();
    await fixture.end(id);
  });
});

/** The frame on which the program stands when it comes to the breakpoint again. */
async function current(session: Debugger): Promise<string> {
  void session.main.send('Debugger.resume', {});
  return (await session.stop()).frame.callFrameId;
}

function median(times: readonly number[]): number {
  return [...times].sort((one, other) => one - other)[Math.floor(times.length / 2)] ?? 0;
}

function shown(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
