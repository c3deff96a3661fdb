import assert from 'node:assert/strict';
import type { Device } from '../../client/device.ts';
import type { Fleet } from '../../client/fleet.ts';
import { MoveNotes } from '../../client/moveNotes.ts';
import { forgetProcess, signalProcess } from '../../protocol/index.ts';
import { isFullRun, sample, seededRandom } from '../support/seed.ts';
import {
  harmed,
  harms,
  moveThrough,
  newHandoff,
  play,
  type Harm,
  type Recorded,
} from './handoffFrames.ts';
import { eventually, fleetOf, LabFixture } from './labFixture.ts';
import { assertRunsOn } from './steady.ts';

const program = '/opt/keepsake.py';
const keepsake = '/srv/keepsake';
/** How long one direction is fuzzed, in ms. */
const budget = isFullRun ? 300_000 : 10_000;
/** How long the target may be silent before the stream ends, in ms: for it waits for what was left out. */
const patience = 3_000;

describe('a handoff of which a part was changed, cut or repeated', function () {
  this.timeout(budget + 240_000);
  let fixture: LabFixture;
  let fleet: Fleet;
  let id: string;
  let recorded: readonly Recorded[];
  let answers: readonly Recorded[];
  let holds: string;
  let untouched: string;
  let agents: string;

  before(async function () {
    this.timeout(120_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const device of ['alpha', 'beta']) {
      await fixture.place(device, 'keepsake.py', program);
      await fixture.on(device, ['chmod', '755', '/opt', program]);
    }
    const write = 'head -c 100000 /dev/urandom > "$1"';
    await fixture.on('alpha', ['sh', '-c', write, 'sh', keepsake]);
    fleet = fleetOf(fixture);
    for (const each of fleet.devices) if (!each.isLocal) await each.connect();
    id = await begin();
    holds = await told();
    untouched = await fingerprint();
    agents = await agentsOf();
    const { sent, answered, error } = await moveThrough(alpha(), beta(), id, newHandoff());
    assert.equal(error, undefined);
    [recorded, answers] = [sent, answered];
    assert.equal(await told(), holds);
    await discard(beta());
  });
  after(async () => {
    fleet?.dispose();
    await fixture?.down();
  });

  const alpha = (): Device => fleet.device('alpha-dev');
  const beta = (): Device => fleet.device('beta-dev');
  const begin = (): Promise<string> =>
    fixture.start('alpha-dev', 'kept', ['python3', program, keepsake]);

  /** What the process said last of what it holds, once it says it again. */
  async function told(): Promise<string> {
    const lines = async (): Promise<string[]> =>
      (await fixture.logs(id)).split(/\r?\n/).filter((line) => line.startsWith('holds '));
    const before = (await lines()).length;
    return eventually(async () => (await lines())[before + 1], 'it says what it holds');
  }

  /** All that could have been changed on beta outside of Flick's own folders. */
  async function fingerprint(): Promise<string> {
    const script =
      'ls -A /home/dev-beta /home /etc /root /tmp /opt /srv; sha256sum /etc/passwd /opt/*.py';
    return fixture.on('beta', ['sh', '-c', script]);
  }

  async function agentsOf(): Promise<string> {
    return (await fixture.pidsOf('beta', 'agent.cjs daemon')).join();
  }

  async function discard(device: Device): Promise<void> {
    await device.request(signalProcess, { id, signal: 'SIGKILL' }).catch(() => undefined);
    await eventually(
      () => device.request(forgetProcess, { id }).then(() => true as const),
      'it is forgotten',
    );
  }

  /** No process, no keeper, no folder of it is on beta, nothing outside is changed, and its agent is the one it was. */
  async function assertNothingLeft(what: string): Promise<void> {
    const look = `ls /home/dev-beta/.flick/processes; pgrep -f '^python3 ${program}' || pgrep -f '[k]eeper '; true`;
    let left = '';
    await eventually(async () => {
      left = await fixture.on('beta', ['sh', '-c', look]);
      return left === '' ? true : undefined;
    }, `nothing is left after ${what}`).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${left}`);
    });
    assert.equal(await fingerprint(), untouched, what);
    assert.equal(await agentsOf(), agents, what);
  }

  /** Each part of a recording in each way, in an order that depends on the seed. */
  function cases(of: readonly Recorded[], label: string): [string, Harm][] {
    // The third of its kind and what follows are met like the second.
    const parts = of
      .map((each) => each.region)
      .filter((region) => !/ (?:[3-9]|\d\d+)$/.test(region));
    const all = parts.flatMap((region) => harms.map((harm): [string, Harm] => [region, harm]));
    const random = seededRandom(label);
    return all
      .map((each) => ({ each, order: random() }))
      .sort((a, b) => a.order - b.order)
      .map(({ each }) => each);
  }

  it('is refused by the target with a sentence, or brings what it was', async () => {
    const random = seededRandom('frames of a source');
    const deadline = Date.now() + budget;
    let tried = 0;
    for (const [region, harm] of cases(recorded, 'source')) {
      if (Date.now() > deadline) break;
      tried += 1;
      const what = `${harm} of ${region}`;
      const frames = recorded.flatMap(({ frame, region: own }) =>
        own === region ? harmed(frame, harm, random) : [frame],
      );
      const said = await play(beta(), id, frames, patience);
      if (said?.type !== 'running') {
        if (said !== undefined) assertSentence(String(said['message']), what);
        await assertNothingLeft(what);
        continue;
      }
      // Whoever sends images decides what the process is, within its rights; all else must be as it was.
      if (!region.startsWith('images')) assert.equal(await told(), holds, what);
      await discard(beta());
      await assertNothingLeft(what);
    }
    assert.ok(tried >= 5, String(tried));
  });

  it('is whole when nothing is changed', async () => {
    const said = await play(
      beta(),
      id,
      recorded.map((each) => each.frame),
      patience,
    );
    assert.equal(said?.type, 'running');
    assert.equal(await told(), holds);
    await discard(beta());
    await assertNothingLeft('a play');
  });

  it('by the target ends with the process in one place', async () => {
    const random = seededRandom('frames of a target');
    const deadline = Date.now() + budget;
    const chosen = cases(answers, 'target');
    for (const [region, harm] of sample('answers', chosen, 2)) {
      if (Date.now() > deadline) break;
      const what = `${harm} of ${region}`;
      id = await begin();
      holds = await told();
      const handoff = newHandoff();
      const parties = { source: alpha().deviceId, target: beta().deviceId };
      await new MoveNotes(fixture.lab.flickHome).write(handoff, parties);
      const harm1 = { region, harm, random };
      const { error } = await moveThrough(alpha(), beta(), id, handoff, harm1);
      if (error !== undefined) assertSentence(error.message, what);
      await fleet.settleDoubts();
      const place = await eventually(
        async () => {
          const places = (await fixture.list()).filter((each) => each.id === id);
          const [only] = places;
          return places.length === 1 && only?.state === 'running' ? only.device : undefined;
        },
        `${what}: it is in one place (${error?.message ?? 'moved'})`,
      );
      assert.equal(await told(), holds, what);
      await assertRunsOn(fixture, id, place);
      await fixture.end(id);
      await assertNothingLeft(what);
    }
  });
});

/** What a person can read: not what a program tripped over. */
function assertSentence(message: string, what: string): void {
  assert.match(message, /^\S+ \w+.* \w+/s, `${what}: ${message}`);
  const slip = /undefined is|is not a function|Cannot read|\[object|TypeError/;
  assert.doesNotMatch(message, slip, `${what}: ${message}`);
}
