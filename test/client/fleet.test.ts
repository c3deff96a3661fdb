import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kill } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Device } from '../../client/device.ts';
import type { FollowState } from '../../client/processFollower.ts';
import { TerminalSession } from '../../client/terminalSession.ts';
import { waitForExit } from '../../client/waitForExit.ts';
import {
  describeDevice,
  FlickError,
  forgetProcess,
  launchProcess,
  signalProcess,
  type ProcessInfo,
} from '../../protocol/index.ts';
import { requireProvisioned, requireRoot } from '../support/provisioned.ts';
import { makeLocalFleet, type LocalFleet } from './localFleet.ts';

/** Counts on its terminal, ten lines a second, and echoes what it reads. */
const counter = [
  'python3',
  '-u',
  '-c',
  `
import os, sys, threading, time
def say(words):
    # At once: nothing of the other thread, and no echo, comes between a line and its end.
    os.write(1, (words + '\\n').encode())
def echo():
    for line in sys.stdin:
        say('heard ' + line.strip())
threading.Thread(target=echo, daemon=True).start()
for i in range(100000):
    say(f'line {i}')
    time.sleep(0.02)
`,
];

describe('a fleet of real agents', function () {
  this.timeout(120_000);
  let lab: LocalFleet;
  const started: { device: Device; process: ProcessInfo }[] = [];

  const launch = async (
    on: string,
    command: string[],
    name?: string,
  ): Promise<{ device: Device; process: ProcessInfo }> => {
    const device = lab.device(on);
    await device.connect();
    const { process } = await device.request(launchProcess, {
      command,
      ...(name === undefined ? {} : { name }),
    });
    started.push({ device, process });
    return { device, process };
  };

  before(async function () {
    requireRoot(this);
    lab = await makeLocalFleet(['alpha', 'beta']);
  });
  after(async () => lab.dispose());
  afterEach(async () => {
    for (const { process } of started.splice(0)) {
      for (const name of ['alpha', 'beta']) {
        const device = lab.device(name);
        if (device.state.kind !== 'connected') continue;
        const { id } = process;
        await device.request(signalProcess, { id, signal: 'SIGKILL' }).catch(() => undefined);
        for (let i = 0; i < 20; i += 1) {
          const gone = await device.request(forgetProcess, { id }).then(
            () => true,
            (error: unknown) => error instanceof FlickError && error.reason === 'noSuchProcess',
          );
          if (gone) break;
          await delay(50);
        }
      }
    }
  });

  it('names a device that does not exist together with those that do', () => {
    assert.throws(
      () => lab.fleet.device('gamma'),
      (error) =>
        error instanceof FlickError &&
        /“gamma”/.test(error.message) &&
        /alpha, beta/.test(error.remedy ?? ''),
    );
    assert.equal(lab.fleet.device('local'), lab.fleet.local);
  });

  it('starts a process, knows where it is, and how it ended', async () => {
    const { process } = await launch('alpha', ['sh', '-c', 'sleep 0.2; exit 3'], 'three');
    const found = await lab.fleet.findProcess('three');
    assert.equal(found.device.name, 'alpha');
    assert.equal(found.process.id, process.id);
    assert.deepEqual(await waitForExit(lab.fleet, found), { exitCode: 3, signal: null });
    assert.deepEqual((await lab.fleet.findProcess(process.id)).process.exit, {
      exitCode: 3,
      signal: null,
    });
  });

  it('will not choose between two processes of one name', async () => {
    const one = await launch('alpha', ['sleep', '100'], 'twin');
    const two = await launch('beta', ['sleep', '100'], 'twin');
    await assert.rejects(
      lab.fleet.findProcess('twin'),
      (error) =>
        error instanceof FlickError &&
        error.reason === 'ambiguous' &&
        error.message.includes(`${one.process.id} on alpha`) &&
        error.message.includes(`${two.process.id} on beta`),
    );
    const found = await lab.fleet.findProcess('twin', { on: lab.device('beta') });
    assert.equal(found.process.id, two.process.id);
  });

  it('pushes changes while somebody watches, and remembers afterwards', async () => {
    const device = lab.device('alpha');
    await device.connect();
    const watching = device.watch({ metrics: false });
    const appeared = new Promise<void>((resolve) => {
      device.onDidChangeProcesses(() => {
        if (device.processes.some((each) => each.name === 'watched')) resolve();
      });
    });
    await launch('alpha', ['sleep', '100'], 'watched');
    await appeared;
    watching.dispose();
    device.disconnect();
    assert.equal(device.state.kind, 'disconnected');
    assert.ok(device.processes.some((each) => each.name === 'watched'));
    assert.ok(Date.now() - (device.processesSeenAt ?? 0) < 10_000);
    await device.connect();
    await device.request(describeDevice, {});
    assert.equal(device.description?.user.uid, 0);
  });

  it('refuses a move to where the process is', async () => {
    const { device, process } = await launch('alpha', ['sleep', '100']);
    await assert.rejects(lab.fleet.move(device, process.id, device), /already is on alpha/);
  });

  describe('with CRIU', () => {
    before(function () {
      requireProvisioned(this, 'criu');
    });

    it('moves a process whose terminal stays attached, no byte lost or doubled', async () => {
      const { device, process } = await launch('alpha', counter, 'counter');
      const session = new TerminalSession(lab.fleet, device, process.id);
      let text = '';
      const states: FollowState[] = [];
      session.onDidChangeState((state) => states.push(state));
      session.onOutput((bytes) => (text += bytes.toString('latin1')));
      session.start();
      const until = async (test: () => boolean, what: string): Promise<void> => {
        for (let i = 0; i < 1_600; i += 1) {
          if (test()) return;
          await delay(25);
        }
        assert.fail(`${what}; the terminal had: ${text.slice(-300)}`);
      };
      try {
        await until(() => text.includes('line 5'), 'the process should write');
        const to = lab.device('beta');
        const check = await lab.fleet.checkMove(device, process.id, to);
        assert.deepEqual(
          check.findings.filter((each) => each.severity === 'blocks'),
          [],
        );
        assert.equal(check.forecast.basis, 'link');
        assert.ok(check.forecast.pauseMs > 0 && check.forecast.totalMs > check.forecast.pauseMs);
        const steps: string[] = [];
        const outcome = await lab.fleet.move(device, process.id, to, {
          acceptWarnings: true,
          onProgress: ({ step }) => steps.push(step),
        });
        assert.equal(outcome.process, process.id);
        assert.equal(outcome.to, to);
        assert.ok(outcome.downtimeMs > 0 && outcome.totalMs >= outcome.downtimeMs);
        assert.deepEqual([outcome.way, outcome.relayedBytes], ['direct', 0]);
        assert.ok(steps.includes('freeze'), steps.join());
        await until(
          () => session.state.kind === 'attached' && session.state.device === to,
          'the terminal should follow',
        );
        const length = text.length;
        session.write(Buffer.from('hello\n'));
        await until(() => text.includes('heard hello'), 'input should arrive after the move');
        await until(() => text.length > length + 100, 'the process should go on writing');
        const back = await lab.fleet.move(to, process.id, device, { acceptWarnings: true });
        assert.equal(back.to, device);
        assert.equal((await lab.fleet.checkMove(device, process.id, to)).forecast.basis, 'moves');
        await until(
          () => session.state.kind === 'attached' && session.state.device === device,
          'the terminal should come back',
        );
        const again = text.length;
        await until(() => text.length > again + 100, 'the process should go on after coming back');
        const numbers = [...text.matchAll(/line (\d+)\r\n/g)].map((match) => Number(match[1]));
        assert.deepEqual(
          numbers,
          numbers.map((_, i) => i),
        );
        await device.request(signalProcess, { id: process.id, signal: 'SIGKILL' });
        assert.deepEqual(await session.ended(), { exitCode: null, signal: 'SIGKILL' });
      } finally {
        session.dispose();
      }
    });

    it('loses nothing that is typed while the process moves', async () => {
      const { device, process } = await launch('alpha', counter, 'typed');
      const session = new TerminalSession(lab.fleet, device, process.id);
      let text = '';
      session.onOutput((bytes) => (text += bytes.toString('latin1')));
      session.start();
      let typed = 0;
      const typing = setInterval(() => session.write(Buffer.from(`key${String(++typed)}\n`)), 25);
      const heard = (): number[] =>
        [...text.matchAll(/heard key(\d+)/g)].map((match) => Number(match[1]));
      try {
        await delay(300);
        await lab.fleet.move(device, process.id, lab.device('beta'), { acceptWarnings: true });
        await delay(300);
        clearInterval(typing);
        for (let i = 0; i < 1_000 && heard().length < typed; i += 1) await delay(25);
        assert.deepEqual(
          heard(),
          Array.from({ length: typed }, (_, index) => index + 1),
        );
      } finally {
        clearInterval(typing);
        session.dispose();
        await lab.device('beta').request(signalProcess, { id: process.id, signal: 'SIGKILL' });
      }
    });

    it('lets another client wait for a process that this one moves', async () => {
      const { device, process } = await launch('alpha', ['sleep', '100']);
      const other = lab.another();
      const waiting = waitForExit(other, await other.findProcess(process.id));
      const to = lab.device('beta');
      await lab.fleet.move(device, process.id, to, { acceptWarnings: true });
      await to.request(signalProcess, { id: process.id, signal: 'SIGTERM' });
      assert.deepEqual(await waiting, { exitCode: null, signal: 'SIGTERM' });
    });

    it('leaves the process where it is when the move is cancelled', async () => {
      const { device, process } = await launch('alpha', ['sleep', '100']);
      const to = lab.device('beta');
      const cancel = new AbortController();
      const moving = lab.fleet.move(device, process.id, to, {
        acceptWarnings: true,
        signal: cancel.signal,
        onProgress: () => cancel.abort(),
      });
      await assert.rejects(
        moving,
        (error) => error instanceof FlickError && error.reason === 'cancelled',
      );
      const found = await lab.fleet.findProcess(process.id);
      assert.equal(found.device, device);
      assert.equal(found.process.state, 'running');
      assert.equal(found.process.pid, process.pid);
    });

    it('says where the process runs when the target’s agent is killed during the move', async () => {
      const { device, process } = await launch('alpha', counter);
      const to = lab.device('beta');
      await to.connect();
      const { hello } = await to.request(describeDevice, {});
      let killed = false;
      const moving = lab.fleet.move(device, process.id, to, {
        acceptWarnings: true,
        onProgress: ({ step }) => {
          // Where it lingers: a standstill may be over before it is heard of.
          if (killed || step !== 'copy') return;
          killed = true;
          kill(hello.pid, 'SIGKILL');
        },
      });
      await assert.rejects(moving, FlickError);
      const found = await lab.fleet.findProcess(process.id);
      assert.equal(found.device.name, 'alpha');
      assert.equal(found.process.state, 'running');
    });
  });

  it('delivers all output of a process that writes faster than it is read', async () => {
    const { device, process } = await launch('alpha', ['seq', '1', '20000']);
    const session = new TerminalSession(lab.fleet, device, process.id, {
      drained: async () => delay(1),
    });
    const chunks: Buffer[] = [];
    session.onOutput((bytes) => chunks.push(bytes));
    session.start();
    await session.ended();
    session.dispose();
    const lines = Buffer.concat(chunks).toString('latin1').split('\r\n');
    assert.equal(lines.length, 20001);
    assert.equal(lines[19999], '20000');
  });

  it('finds its terminal again after the connection broke', async () => {
    const { device, process } = await launch('alpha', counter);
    const session = new TerminalSession(lab.fleet, device, process.id, { connectAll: true });
    let text = '';
    session.onOutput((bytes) => (text += bytes.toString('latin1')));
    session.start();
    while (!text.includes('line 5')) await delay(20);
    const { hello } = await device.request(describeDevice, {});
    kill(hello.pid, 'SIGKILL');
    while (!text.includes('line 150')) await delay(50);
    session.dispose();
    const numbers = [...text.matchAll(/line (\d+)\r\n/g)].map((match) => Number(match[1]));
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i),
    );
  });

  it('says which devices could not be asked for a process that nobody has', async () => {
    const other = lab.another();
    await other.addDevice({ name: 'broken', host: 'unused' });
    try {
      // Its home cannot be made, so its agent does not start.
      await writeFile(join(lab.folder, 'broken'), '');
      const error: unknown = await other.findProcess('nobody').then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof FlickError);
      assert.equal(error.reason, 'noSuchProcess');
      assert.match(error.message, /Could not be asked: broken \(/);
    } finally {
      await other.removeDevice('broken');
    }
  });
});
