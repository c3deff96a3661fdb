import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { getPriority } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { handoffSteps } from '../../protocol/index.ts';
import type { Moved } from '../support/flick.ts';
import type { LabFixture } from './labFixture.ts';

/** The two lab devices, as the root user and as the ordinary one reach them. */
export type Station = 'alpha' | 'beta';

/** Asks a server over a connection of its own; it answers each question with another number. */
export interface Probe {
  readonly port: number;
  readonly question: string;
  /** Its first group is the number. */
  readonly answer: RegExp;
}

/** A process under test, and where it is. */
export interface Site {
  readonly fixture: LabFixture;
  readonly id: string;
  readonly station: Station;
  readonly address: string;
  readonly user: 'root' | 'dev';
  /** All that the program has written to its standard output. */
  output(): Promise<string>;
}

/** Regular expressions over command lines, and how many processes match each while the program runs. */
export type Marks = Readonly<Record<string, number>>;

export interface Travel {
  readonly fixture: LabFixture;
  readonly id: string;
  readonly from: Station;
  readonly to: Station;
  readonly user: 'root' | 'dev';
  readonly marks: Marks;
  readonly probe?: Probe | undefined;
}

/** Where a process is, with what it has written read from its terminal. */
export function siteAt(
  fixture: LabFixture,
  id: string,
  station: Station,
  user: 'root' | 'dev',
): Site {
  const { address } = fixture.lab.device(station);
  return { fixture, id, station, address, user, output: () => fixture.logs(id) };
}

interface Answer {
  readonly station: Station;
  readonly sentAt: number;
  readonly receivedAt: number;
  readonly number: number;
}

/** The name by which Flick knows a lab device and one of its users. */
export function deviceName(station: Station, user: 'root' | 'dev'): string {
  return user === 'root' ? station : `${station}-dev`;
}

/** Asks once. @returns the answer's number; undefined when nobody answered in time */
export async function ask(address: string, probe: Probe): Promise<number | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host: address, port: probe.port });
    const finish = (): void => {
      socket.destroy();
      const found = probe.answer.exec(text)?.[1];
      resolve(found === undefined ? undefined : Number(found));
    };
    socket.setTimeout(2_000, finish);
    socket.once('connect', () => socket.write(probe.question));
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (probe.answer.test(text)) finish();
    });
    socket.once('error', finish);
    socket.once('close', finish);
  });
}

/**
 * Moves a process and watches both devices meanwhile: the answers of a server show that two copies never ran, the
 * processes and folders afterwards that exactly one is left.
 */
export async function travel(journey: Travel): Promise<Moved> {
  const { fixture, id, from, to, user, marks, probe } = journey;
  const watch = probe === undefined ? undefined : new Watch(fixture, from, to, probe);
  let moved: Moved;
  try {
    moved = await fixture.move(id, deviceName(to, user));
  } catch (error) {
    await watch?.end();
    throw error;
  }
  await assertOneCopy(fixture, from, to, marks);
  await assertNothingLeft(fixture, id, from, user);
  if (watch !== undefined) {
    await watch.seen(to);
    assertNeverTwo(await watch.end(), from, to);
  }
  assertTold(moved, journey);
  const listed = (await fixture.list()).filter((each) => each.id === id);
  assert.deepEqual(
    listed.map(({ device, state, pid }) => ({ device, state, pid })),
    [{ device: deviceName(to, user), state: 'running', pid: moved.process.pid }],
  );
  return moved;
}

/** Asks both devices all the time. */
class Watch {
  readonly #answers: Answer[] = [];
  readonly #loops: Promise<void>[];
  #over = false;

  constructor(fixture: LabFixture, from: Station, to: Station, probe: Probe) {
    this.#loops = [from, to].map(async (station) => {
      const { address } = fixture.lab.device(station);
      while (!this.#over) {
        const sentAt = performance.now();
        const number = await ask(address, probe);
        if (number !== undefined) {
          this.#answers.push({ station, sentAt, receivedAt: performance.now(), number });
        }
        await delay(10);
      }
    });
  }

  /** Waits for an answer from a device. */
  async seen(station: Station): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!this.#answers.some((answer) => answer.station === station)) {
      assert.ok(performance.now() < deadline, `nobody answers on ${station}`);
      await delay(20);
    }
  }

  async end(): Promise<readonly Answer[]> {
    this.#over = true;
    await Promise.all(this.#loops);
    return this.#answers;
  }
}

/** Each copy would count for itself, so no number comes twice; and who was left answers no question asked after that. */
function assertNeverTwo(answers: readonly Answer[], from: Station, to: Station): void {
  const numbers = answers.map(({ number }) => number);
  assert.equal(new Set(numbers).size, numbers.length, 'a number was answered twice');
  assert.ok(
    answers.some(({ station }) => station === from),
    `${from} answered nothing before the process left`,
  );
  const arrivedAt = Math.min(
    ...answers.filter(({ station }) => station === to).map(({ receivedAt }) => receivedAt),
  );
  const late = answers.filter(({ station, sentAt }) => station === from && sentAt > arrivedAt);
  assert.deepEqual(late, [], `${from} answered although ${to} did already`);
}

async function assertOneCopy(
  fixture: LabFixture,
  from: Station,
  to: Station,
  marks: Marks,
): Promise<void> {
  for (const [mark, count] of Object.entries(marks)) {
    assert.deepEqual(await fixture.pidsOf(from, mark), [], `${mark} is left on ${from}`);
    const pids = await fixture.pidsOf(to, mark);
    assert.equal(pids.length, count, `${mark} on ${to}`);
    // CRIU goes before others; what it restores does not.
    const said = await fixture.on(to, ['ps', '-o', 'ni=', '-p', pids.join(',')]);
    assert.deepEqual(new Set(said.trim().split(/\s+/).map(Number)), new Set([getPriority()]));
  }
}

/** The device that a process left keeps no keeper, no mount and no folder; home keeps what it gave away in mind. */
async function assertNothingLeft(
  fixture: LabFixture,
  id: string,
  station: Station,
  user: 'root' | 'dev',
): Promise<void> {
  const { stdout } = await fixture.lab.exec(
    station,
    ['sh', '-c', 'cd ~/.flick/processes && find . -mindepth 2 -path "./$1/*"', 'sh', id],
    { user },
  );
  const files = stdout.split('\n').filter((line) => line !== '' && !line.endsWith('/away.json'));
  assert.deepEqual(files, [], `files of ${id} are left on ${station}`);
  const mounts = await fixture.on(station, ['cat', '/proc/mounts']);
  assert.ok(!mounts.includes(id), `mounts of ${id} are left on ${station}`);
  const keepers = await fixture.pidsOf(station, `flick-keeper.*${id}`);
  assert.deepEqual(keepers, [], `a keeper of ${id} is left on ${station}`);
}

function assertTold(moved: Moved, { id, from, to, user }: Travel): void {
  assert.deepEqual(
    [moved.process.id, moved.process.device, moved.from, moved.to, moved.engine],
    [id, deviceName(to, user), deviceName(from, user), deviceName(to, user), 'criu'],
  );
  assert.ok(moved.downtimeMs > 0 && moved.downtimeMs < moved.totalMs);
  assert.ok(moved.bytesSent > 0);
  const steps = handoffSteps.filter(
    (each) => each !== 'serve' || moved.memory?.way === 'post-copy',
  );
  assert.deepEqual(
    moved.steps.map(({ name }) => name),
    steps,
  );
}
