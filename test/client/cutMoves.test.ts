import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kill } from 'node:process';
import type { Duplex } from 'node:stream';
import { decideDoubt, describeDoubt, describeRisk } from '../../client/doubtChoices.ts';
import { MoveNotes } from '../../client/moveNotes.ts';
import { FrameStream } from '../../common/frames.ts';
import {
  describeDevice,
  FlickError,
  forgetProcess,
  launchProcess,
  listDoubts,
  queryHandoff,
  receiveProcess,
  sendProcess,
  signalProcess,
  type ProcessInfo,
} from '../../protocol/index.ts';
import { FlickCommand } from '../support/flick.ts';
import { requireProvisioned, requireRoot } from '../support/provisioned.ts';
import { eventually } from '../system/labFixture.ts';
import { makeLocalFleet, type LocalFleet } from './localFleet.ts';

/** Where the stream between the agents is cut, and whether the message there still arrives. */
interface Cut {
  readonly message: 'run' | 'running';
  readonly arrives: boolean;
  /** What happens right before the message is passed on. */
  readonly before?: () => void;
}

let moves = 0;

describe('a move that is cut at its hand-over, between real agents', function () {
  this.timeout(150_000);
  let lab: LocalFleet;
  let id: string;

  before(async function () {
    requireRoot(this);
    requireProvisioned(this, 'criu');
    FlickCommand.requireBuilt(this);
    lab = await makeLocalFleet(['alpha', 'beta']);
  });
  after(async () => lab?.dispose());

  beforeEach(async () => {
    const alpha = lab.device('alpha');
    await alpha.connect();
    await lab.device('beta').connect();
    const { process } = await alpha.request(launchProcess, {
      command: ['sh', '-c', 'i=0; while :; do echo "beat $i"; i=$((i+1)); sleep 0.05; done'],
      name: 'beating',
    });
    ({ id } = process);
  });
  afterEach(async () => {
    for (const name of ['alpha', 'beta']) {
      const device = lab.device(name);
      await device.connect();
      await device.request(signalProcess, { id, signal: 'SIGKILL' }).catch(() => undefined);
      await eventually(
        () =>
          device.request(forgetProcess, { id }).then(
            () => true as const,
            (error: unknown) =>
              error instanceof FlickError && error.reason === 'noSuchProcess' ? true : undefined,
          ),
        'the process is forgotten',
      );
    }
  });

  /** Moves the process from alpha to beta over a stream that is cut. @returns the id of the handoff */
  async function moveCut({ message, arrives, before }: Cut): Promise<string> {
    moves += 1;
    const handoff = `h-${String(moves).padStart(16, '0')}`;
    const [from, to] = [lab.device('alpha'), lab.device('beta')];
    await new MoveNotes(join(lab.folder, 'local')).write(handoff, {
      source: from.deviceId,
      target: to.deviceId,
    });
    const parties = { handoff, id, source: 'alpha', target: 'beta' };
    const arriving = await to.request(receiveProcess, parties);
    const targetStream = await to.openStream(arriving.ticket);
    const leaving = await from.request(sendProcess, parties);
    const sourceStream = await from.openStream(leaving.ticket);
    const cut = new Promise<void>((resolve) => {
      const end = (): void => {
        sourceStream.destroy();
        targetStream.destroy();
        resolve();
      };
      const passOn = async (one: Duplex, other: Duplex): Promise<void> => {
        const [input, output] = [new FrameStream(one), new FrameStream(other)];
        for (;;) {
          const frame = await input.receive();
          if (frame.kind === 'data') await output.sendData(frame.data);
          else {
            const isIt = (frame.value as { type?: string }).type === message;
            if (isIt) before?.();
            const value = frame.value as { readonly type?: string };
            // The frames are made anew here, which a seal would not allow.
            const passed = value.type === 'offer' ? { ...value, sealed: false } : value;
            if (!isIt || arrives) await output.sendJson(passed);
            if (!isIt) continue;
            // Given away, so that nothing is written to it any more but what is on its way.
            if (message === 'run' && arrives) await taken(handoff);
            return;
          }
        }
      };
      passOn(sourceStream, targetStream).then(end, end);
      passOn(targetStream, sourceStream).then(end, end);
    });
    await cut;
    return handoff;
  }

  /** Resolves when the target has written that it was given the process. */
  async function taken(handoff: string): Promise<void> {
    await eventually(async () => (word('beta', handoff) === undefined ? undefined : true), 'word');
  }

  /** What a device durably says of a handoff. */
  function word(device: string, handoff: string): string | undefined {
    try {
      const path = join(lab.folder, device, 'handoffs', `${handoff}.json`);
      return (JSON.parse(readFileSync(path, 'utf8')) as { verdict: string }).verdict;
    } catch {
      return undefined;
    }
  }

  async function on(device: string): Promise<ProcessInfo | undefined> {
    const known = lab.device(device);
    await known.connect();
    return (await known.listProcesses()).find((each) => each.id === id);
  }

  const stateOn = async (device: string): Promise<string | undefined> => (await on(device))?.state;

  async function becomes(device: string, state: ProcessInfo['state'] | undefined): Promise<void> {
    await eventually(
      async () => ((await stateOn(device)) === state ? true : undefined),
      `it is ${state ?? 'gone'} on ${device}`,
    );
  }

  /** True when what is in the terminal grows. */
  async function beatsOn(device: string): Promise<boolean> {
    const pid = (await on(device))?.pid ?? 0;
    const ticks = (): string =>
      readFileSync(`/proc/${String(pid)}/stat`, 'utf8').split(') ')[1]?.[0] ?? '';
    const seen = new Set<string>();
    for (let i = 0; i < 40; i += 1) {
      seen.add(ticks());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return seen.has('S') || seen.has('R');
  }

  async function meet(): Promise<void> {
    for (const name of ['alpha', 'beta']) await lab.device(name).connect();
    await lab.fleet.settleDoubts();
    // Connecting may have begun it already.
    await eventually(async () => {
      for (const name of ['alpha', 'beta']) {
        const { doubts } = await lab.device(name).request(listDoubts, {});
        if (doubts.length > 0) {
          await lab.fleet.settleDoubts();
          return undefined;
        }
      }
      return true;
    }, 'both sides agree');
  }

  async function killAgent(device: string): Promise<void> {
    const known = lab.device(device);
    const { hello } = await known.request(describeDevice, {});
    // Heard, not looked for: it is connected again soon.
    const gone = new Promise<void>((resolve) => {
      const subscription = known.onDidChangeState(({ kind }) => {
        if (kind === 'connected') return;
        subscription.dispose();
        resolve();
      });
    });
    kill(hello.pid, 'SIGKILL');
    await gone;
  }

  it('is left standing still by the source, and runs on the target when they meet', async () => {
    await moveCut({ message: 'running', arrives: false });
    await becomes('alpha', 'inDoubt');
    const doubt = (await on('alpha'))?.doubt;
    assert.deepEqual(doubt?.choices, ['runHere', 'gone']);
    assert.match(describeDoubt(doubt, 'alpha'), /passed to beta/);
    assert.match(describeRisk(doubt, 'runHere', 'alpha'), /two copies/);
    assert.match(describeRisk(doubt, 'gone', 'alpha'), /lost/);
    await meet();
    assert.equal(await stateOn('alpha'), undefined);
    assert.ok(await beatsOn('beta'));
  });

  it('runs on the source when the target never heard that it may run', async () => {
    const handoff = await moveCut({ message: 'run', arrives: false });
    await becomes('alpha', 'inDoubt');
    assert.equal(word('alpha', handoff), 'released');
    await meet();
    assert.equal(await stateOn('beta'), undefined);
    assert.ok(await beatsOn('alpha'));
    assert.equal(word('alpha', handoff), undefined);
  });

  it('is asked for again by agents that were killed meanwhile', async () => {
    await moveCut({ message: 'running', arrives: false });
    await becomes('alpha', 'inDoubt');
    await Promise.all(['alpha', 'beta'].map(killAgent));
    assert.equal(await stateOn('alpha'), 'inDoubt');
    await meet();
    assert.equal(await stateOn('alpha'), undefined);
    assert.ok(await beatsOn('beta'));
  });

  it('goes on at the source when CRIU and the target’s agent die before the copy has run', async () => {
    let criu = 0;
    const handoff = await moveCut({
      message: 'run',
      arrives: true,
      before: () => {
        criu = restoring(join(lab.folder, 'beta'));
        kill(criu, 'SIGSTOP');
      },
    });
    assert.equal(word('beta', handoff), 'accepted');
    await killAgent('beta');
    kill(criu, 'SIGKILL');
    await becomes('alpha', 'inDoubt');
    await lab.device('beta').connect();
    await meet();
    assert.equal(await stateOn('beta'), undefined);
    assert.ok(await beatsOn('alpha'));
  });

  it('runs on the target when only the target’s agent dies before the copy has run', async () => {
    let criu = 0;
    await moveCut({
      message: 'run',
      arrives: true,
      before: () => {
        criu = restoring(join(lab.folder, 'beta'));
        kill(criu, 'SIGSTOP');
      },
    });
    await killAgent('beta');
    kill(criu, 'SIGCONT');
    await lab.device('beta').connect();
    await meet();
    assert.equal(await stateOn('alpha'), undefined);
    assert.ok(await beatsOn('beta'));
  });

  it('runs on the source when a person says so, and the target stands still once it hears it', async () => {
    const [alpha, beta] = [lab.device('alpha'), lab.device('beta')];
    const handoff = await moveCut({ message: 'running', arrives: false });
    await becomes('alpha', 'inDoubt');
    beta.disconnect();
    const decided = await decideDoubt(lab.fleet, alpha, id, 'runHere');
    assert.deepEqual(decided, { settled: false, runsHere: true });
    assert.equal(word('alpha', handoff), 'claimed');
    assert.ok(await beatsOn('alpha'));
    // The claim outlives the agent.
    await killAgent('alpha');
    await alpha.connect();
    assert.equal(await stateOn('alpha'), 'running');
    await beta.connect();
    await lab.fleet.settleDoubts();
    await becomes('beta', 'inDoubt');
    assert.equal((await on('beta'))?.doubt?.what, 'superseded');
    assert.equal(await beatsOn('beta'), false);
    assert.ok(await beatsOn('alpha'));
    await eventually(async () => {
      await lab.fleet.settleDoubts();
      return word('alpha', handoff) === undefined ? true : undefined;
    }, 'the claim was heard');
    await killAgent('beta');
    assert.equal((await on('beta'))?.doubt?.what, 'superseded');
    assert.equal(await beatsOn('beta'), false);
    await decideDoubt(lab.fleet, beta, id, 'gone');
    assert.equal(await stateOn('beta'), 'lost');
    assert.ok(await beatsOn('alpha'));
  });

  it('is decided with flick resolve, which says what each choice risks', async () => {
    const handoff = await moveCut({ message: 'run', arrives: false });
    await becomes('alpha', 'inDoubt');
    lab.device('beta').disconnect();
    // This machine as alpha sees it: no other device is known there.
    const flick = new FlickCommand(join(lab.folder, 'alpha'));
    const listed = await flick.run(['ps']);
    assert.match(listed.stdout, /inDoubt, beta: flick resolve/);
    const asked = await flick.run(['resolve', 'beating']);
    assert.equal(asked.code, 0, asked.stderr);
    assert.match(asked.stdout, /passed to beta/);
    assert.match(
      asked.stdout,
      /flick resolve beating --run-here\n +If beta comes back.*two copies/,
    );
    assert.match(asked.stdout, /flick resolve beating --gone\n.*it is lost/);
    assert.equal(await stateOn('alpha'), 'inDoubt');
    const both = await flick.run(['resolve', id, '--run-here', '--gone', '--yes']);
    assert.equal(both.code, 2);
    const decided = await flick.run(['resolve', id, '--run-here', '--yes']);
    assert.equal(decided.code, 0, decided.stderr);
    assert.match(decided.stdout, /^beating runs on /);
    assert.match(decided.stderr, /two copies/);
    assert.equal(word('alpha', handoff), 'claimed');
    assert.ok(await beatsOn('alpha'));
    const again = await flick.run(['resolve', id, '--run-here', '--yes']);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /not in doubt: it is running/);
    await meet();
    assert.equal(word('alpha', handoff), undefined);
    assert.ok(await beatsOn('alpha'));
  });

  it('is given up when a person says so', async () => {
    const [alpha, beta] = [lab.device('alpha'), lab.device('beta')];
    const handoff = await moveCut({ message: 'running', arrives: false });
    await becomes('alpha', 'inDoubt');
    beta.disconnect();
    await assert.rejects(
      alpha.request(signalProcess, { id, signal: 'SIGTERM' }),
      (error) => error instanceof FlickError && error.reason === 'inDoubt',
    );
    const decided = await decideDoubt(lab.fleet, alpha, id, 'gone');
    assert.deepEqual(decided, { settled: false, runsHere: false });
    assert.equal(await stateOn('alpha'), undefined);
    assert.deepEqual(await alpha.request(queryHandoff, { handoff }), { verdict: 'unknown' });
    await meet();
    assert.ok(await beatsOn('beta'));
    await assert.rejects(
      decideDoubt(lab.fleet, beta, id, 'gone'),
      (error) => error instanceof FlickError && error.reason === 'invalidRequest',
    );
  });
});

/** PID of the CRIU that restores into a folder below the given one. */
function restoring(folder: string): number {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      if (command.includes('restore') && command.some((word) => word.startsWith(folder))) {
        return Number(name);
      }
    } catch {
      // It has ended.
    }
  }
  throw new Error(`No CRIU restores below ${folder}.`);
}
