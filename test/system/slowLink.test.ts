import assert from 'node:assert/strict';
import { join } from 'node:path';
import { spawn } from 'node-pty';
import type { Moved } from '../support/flick.ts';
import { SampledTests } from '../support/sampledTests.ts';
import { eventually, LabFixture } from './labFixture.ts';
import { root } from '../support/provisioned.ts';
import { assertRunsOn } from './steady.ts';

const beat = '/opt/beat.py';
const baggage = '/opt/baggage';

describe('a link of 384 kbit/s', function () {
  const tests = new SampledTests('slow links');
  this.timeout(300_000);
  let fixture: LabFixture;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    await fixture.place('alpha', 'beat.py', beat);
  });
  after(() => fixture?.down());
  afterEach(() => fixture.lab.rate('beta', 'off'));

  function moveAtTerminal(id: string): {
    readonly type: (keys: string) => void;
    readonly ended: Promise<string>;
  } {
    const terminal = spawn(process.execPath, [join(root, 'dist/cli.cjs'), 'move', id, 'beta'], {
      ...{ cols: 200, rows: 24 },
      env: { ...process.env, FLICK_HOME: fixture.lab.flickHome },
    });
    let shown = '';
    terminal.onData((data) => (shown += data));
    const ended = new Promise<string>((resolve) => terminal.onExit(() => resolve(shown)));
    return { type: (keys) => terminal.write(keys), ended };
  }

  /** What lies below a folder of a device's Flick, in KiB. */
  async function kept(folder: string): Promise<number> {
    const size = await fixture.on('beta', ['du', '-sk', `/root/.flick/${folder}`]);
    return Number(size.split('\t')[0]);
  }

  tests.add('carries the agent to a device that has none, and the process after it', async () => {
    await fixture.lab.rate('beta', '384kbit');
    const id = await fixture.start('alpha', 'first', ['python3', beat]);
    const ran = await fixture.flick.run(['move', id, 'beta'], { timeoutMs: 240_000 });
    assert.equal(ran.code, 0, ran.stderr);
    await fixture.lab.rate('beta', 'off');
    await assertRunsOn(fixture, id, 'beta');
    await fixture.end(id);
  });

  tests.add('shows how far it is, can be left, and goes on where it was', async () => {
    await fixture.flick.run(['ps']);
    await fixture.on('alpha', ['sh', '-c', `head -c 1500000 /dev/urandom > ${baggage}`]);
    const id = await fixture.start(
      'alpha',
      'slow',
      ['python3', beat, 'memory', '1'],
      [...['--carry', baggage]],
    );
    await fixture.lab.rate('beta', '384kbit');
    /** Cancels a move, as a person at a terminal does, when so much of it has come. */
    const cancelWhen = async (hasCome: () => Promise<boolean>): Promise<void> => {
      const move = moveAtTerminal(id);
      await eventually(async () => ((await hasCome()) ? true : undefined), 'it comes', 120_000);
      move.type('\u0003');
      const shown = await move.ended;
      assert.match(shown, /\d(\.\d)? [KM]B of \d(\.\d)? MB, about \d+ (min|s) .*left/);
      assert.match(shown, /cancelled/i);
      await assertRunsOn(fixture, id, 'alpha');
    };
    await cancelWhen(async () => (await kept('processes')) > 700);
    await eventually(
      async () => ((await kept('memory')) > 600 ? true : undefined),
      'the file is kept',
    );
    await cancelWhen(async () => (await kept('memory')) > 3_300);
    await fixture.lab.rate('beta', 'off');
    await eventually(
      async () => ((await kept('processes')) < 100 ? true : undefined),
      'the target has given it up',
    );
    const parts = await fixture.on('beta', ['ls', '-lR', `/root/.flick/memory/${id}`]);
    const { bytesSent, memory } = await fixture.flick.json<
      Moved & { readonly memory: { readonly bytes: number; readonly sentBytes: number } }
    >(['move', id, 'beta']);
    // The images of the process are some 300 kB, the file is five times that.
    const log = await fixture.on('beta', ['tail', '-n', '60', '/root/.flick/agent.log']);
    const story = `${bytesSent} ${JSON.stringify(memory)}\n${parts}\n${log}`;
    assert.ok(bytesSent - memory.sentBytes < 600_000, story);
    // Random memory does not pack; of the first megabyte all had come.
    assert.ok(memory.sentBytes < 1_500_000, story);
    await assertRunsOn(fixture, id, 'beta');
    await fixture.end(id);
  });

  tests.register(1);
});
