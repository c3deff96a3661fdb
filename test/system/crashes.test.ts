import assert from 'node:assert/strict';
import { join } from 'node:path';
import { spawn as spawnTerminal } from 'node-pty';
import { root } from '../support/provisioned.ts';
import { eventually, LabFixture } from './labFixture.ts';
import { assertRunsOn, assertSaid } from './steady.ts';
import { UnderWay } from './underWay.ts';

const flickFile = join(root, 'dist/cli.cjs');
const beat = '/opt/beat.py';

interface Ended {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

describe('what survives a crash', function () {
  this.timeout(100_000);
  let fixture: LabFixture;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const device of ['alpha', 'beta']) await fixture.place(device, 'beat.py', beat);
  });
  after(() => fixture?.down());

  async function gone(device: string, pid: number): Promise<void> {
    await eventually(
      async () => {
        const { code } = await fixture.lab.exec(device, ['test', '-e', `/proc/${String(pid)}`]);
        return code === 0 ? undefined : true;
      },
      `process ${String(pid)} on ${device} is gone`,
    );
  }

  async function pidOf(id: string): Promise<number> {
    return (await fixture.find(id))?.pid ?? 0;
  }

  it('a process and its terminal, when the agent is killed', async () => {
    const id = await fixture.start('alpha', 'orphan', ['python3', beat]);
    const reader = await fixture.start('alpha', 'reader', [
      ...['sh', '-c', 'echo ready; read -r n; echo "<$n>"; exit "$n"'],
    ]);
    await fixture.killAgent('alpha');
    await assertRunsOn(fixture, id, 'alpha');
    const terminal = spawnTerminal(process.execPath, [flickFile, 'attach', reader], {
      env: { ...process.env, FLICK_HOME: fixture.lab.flickHome },
    });
    const left = new Promise<number>((resolve) =>
      terminal.onExit(({ exitCode }) => resolve(exitCode)),
    );
    await new Promise<void>((resolve) =>
      terminal.onData((text) => {
        if (text.includes('ready')) resolve();
      }),
    );
    // Again, under the eyes of somebody: the terminal on the screen goes on by itself.
    await fixture.killAgent('alpha');
    await fixture.flick.run(['ps', '--on', 'alpha']);
    await eventually(async () => {
      const said = await fixture.logs(reader);
      if (!said.includes('<37>')) terminal.write('37\r');
      return said.includes('<37>') ? true : undefined;
    }, 'what is typed arrives');
    assert.equal(await left, 37);
    const ended = await fixture.flick.json<Ended>(['wait', reader]);
    assert.deepEqual(ended, { exitCode: 37, signal: null });
    await fixture.end(id);
  });

  it('the exit status of a process that ends while there is no agent', async () => {
    const code = await fixture.start('alpha', 'coder', ['sh', '-c', 'sleep 1000; exit 41']);
    const signal = await fixture.start('alpha', 'signalled', ['sleep', '1000']);
    const [sleeper] = await fixture.pidsOf('alpha', '^sleep 1000$');
    const pids = [await pidOf(code), await pidOf(signal)];
    assert.ok(sleeper !== undefined);
    const sleepers = await fixture.pidsOf('alpha', '^sleep 1000$');
    await fixture.killAgent('alpha');
    const byShell = sleepers.filter((each) => !pids.includes(each)).map(String);
    await fixture.on('alpha', ['kill', ...byShell]);
    await fixture.on('alpha', ['kill', '-USR1', String(pids[1])]);
    for (const pid of pids) await gone('alpha', pid);
    assert.deepEqual(await fixture.flick.json<Ended>(['wait', code]), {
      exitCode: 41,
      signal: null,
    });
    assert.deepEqual(await fixture.flick.json<Ended>(['wait', signal]), {
      exitCode: null,
      signal: 'SIGUSR1',
    });
    for (const id of [code, signal]) await fixture.flick.run(['forget', id]);
  });

  it('that a process is lost with its keeper, said in a sentence', async () => {
    for (const withAgent of [true, false]) {
      const id = await fixture.start('alpha', 'kept', ['python3', beat]);
      const pid = await pidOf(id);
      const keeper = await fixture.on('alpha', [
        'sh',
        '-c',
        `cut -d' ' -f4 /proc/${String(pid)}/stat`,
      ]);
      if (!withAgent) await fixture.killAgent('alpha');
      await fixture.on('alpha', ['kill', '-9', keeper.trim()]);
      await gone('alpha', pid);
      const listed = await eventually(async () => {
        const found = await fixture.find(id);
        return found?.state === 'lost' ? found : undefined;
      }, 'the process is lost');
      assert.match(listed.remark ?? '', /[Kk]eeper/);
      assertSaid(await fixture.refuse(id, 'beta'), 1, /does not run any more/);
      await fixture.flick.run(['forget', id]);
    }
  });

  it('that a process is lost with its device, and the device is known again', async () => {
    const id = await fixture.start('beta', 'cut', ['python3', beat]);
    await fixture.lab.kill('beta');
    assertSaid(await fixture.flick.run(['ps', '--on', 'beta']), 1, /could not be reached/);
    await fixture.lab.boot('beta');
    const listed = await fixture.find(id);
    assert.equal(listed?.state, 'lost');
    assert.match(listed.remark ?? '', /device was restarted while it ran here/);
    await fixture.flick.run(['forget', id]);
    assert.equal(await fixture.find(id), undefined);
  });

  it('a move, when this machine loses the target, which the source still reaches', async () => {
    const id = await fixture.start('alpha', 'cut', ['python3', beat, 'memory', '9']);
    await fixture.flick.run(['ps', '--on', 'beta']);
    await fixture.lab.rate('beta', '40mbit');
    const move = new UnderWay(fixture.lab.flickHome, ['move', id, 'beta']);
    await move.reaches('copy');
    const sessions = await fixture.pidsOf('beta', '^sshd: root');
    await fixture.on('beta', ['kill', '-9', ...sessions.map(String)]);
    await fixture.lab.rate('beta', 'off');
    assertSaid(await move.ended, 0);
    await assertRunsOn(fixture, id, 'beta');
    assert.deepEqual(await fixture.pidsOf('alpha', `^python3 ${beat} memory`), []);
    await fixture.end(id);
  });
});
