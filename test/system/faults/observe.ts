import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isCriu, isPark } from '../deviceView.ts';
import { eventually } from '../labFixture.ts';
import type { Listed } from '../../support/flick.ts';
import { places, type Ground, type Place } from './ground.ts';

/** One line of a witness. */
interface Heard {
  /** The clock of the machine that all devices share, in ns. */
  readonly at: bigint;
  readonly place: Place;
  readonly number: number;
  readonly host: string;
  readonly word: string;
}

/** How long both agents and a client may take to come to one verdict and to tidy up, in ms. */
const verdictPatience = 45_000;
const tidyPatience = 20_000;

/** What has become of one process, seen from outside of Flick as far as that goes. */
export class Observer {
  readonly #ground: Ground;
  readonly #name: string;
  readonly #id: string;
  #listed: readonly Listed[] = [];

  constructor(ground: Ground, name: string, id: string) {
    this.#ground = ground;
    this.#name = name;
    this.#id = id;
  }

  /** What a client was told of the process last. */
  get listed(): readonly Listed[] {
    return this.#listed;
  }

  /** What both witnesses have heard of the process, in the order of time. */
  heard(): readonly Heard[] {
    const all = places.flatMap((place) =>
      this.#ground
        .heard(place)
        .split('\n')
        .flatMap((line) => {
          const [at = '', name, number, host = '', word = ''] = line.split(' ');
          if (name !== this.#name) return [];
          return [{ at: BigInt(at), place, number: Number(number), host, word }];
        }),
    );
    return all.sort((one, other) => (one.at < other.at ? -1 : 1));
  }

  /** @throws where a number is missing or came twice, a host is wrong, or the process found its own state changed */
  assertOneSequence(): void {
    const heard = this.heard();
    for (const [index, each] of heard.entries()) {
      const before = heard[index - 1];
      const said = `${each.place}: ${String(each.number)} ${each.host} ${each.word}`;
      assert.equal(each.word, 'ok', said);
      assert.equal(each.host, each.place, said);
      const expected = before === undefined ? each.number : before.number + 1;
      assert.equal(each.number, expected, `${said} after ${before?.place ?? 'nothing'}`);
    }
  }

  async goesOn(place: Place): Promise<void> {
    const before = this.#count(place);
    await eventually(
      () => Promise.resolve(this.#count(place) > before + 2 ? true : undefined),
      `${this.#name} goes on on ${place}`,
      20_000,
    );
  }

  #count(place: Place): number {
    return this.heard().filter((each) => each.place === place).length;
  }

  /** Where it goes on while nobody can be asked: `source`, `target`, `doubt` where it stands still, or what else there is. */
  async meanwhile(): Promise<string> {
    const before = places.map((place) => this.#count(place));
    await delay(1_500);
    const rise = places.map((place, index) => this.#count(place) > (before[index] ?? 0));
    const copies = places.map((place) => this.#ground.copies(place, this.#name).length);
    if (rise[0] === true) return rise[1] === true ? 'both' : 'source';
    if (rise[1] === true) return 'target';
    return copies[0] === 1 ? 'doubt' : `none (copies ${copies.join(', ')})`;
  }

  /**
   * What both devices and a client that reaches them agree upon in the end.
   * @param isLate its memory came after it ran: whether all of it does is waited for
   */
  async verdict(isLate = false): Promise<string> {
    let seen = 'nothing';
    const settled = await eventually(
      async () => {
        const listed = (await this.#ground.fixture.list()).filter((each) => each.id === this.#id);
        const copies = places.map((place) => this.#ground.copies(place, this.#name).length);
        const states = listed.map(
          ({ state, device, doubt }) =>
            `${state}${doubt === undefined ? '' : ` (${doubt.what})`} on ${device}`,
        );
        this.#listed = listed;
        seen = `${states.join(', ')}; copies ${copies.join(', ')}`;
        // Whether its memory will come is not known yet.
        if (isLate && listed.some((each) => each.memory !== undefined && each.doubt === undefined))
          return undefined;
        return settledAs(listed, copies);
      },
      'a verdict',
      verdictPatience,
    ).catch(() => undefined);
    return settled ?? `no verdict: ${seen}`;
  }

  /** Waits until nothing is left where the process is not, and nothing of the handoff anywhere. */
  async assertTidy(owner: Place): Promise<void> {
    const left = (): readonly string[] => [
      ...places.flatMap((place) => this.#wordsLeft(place)),
      ...places.flatMap((place) => (place === owner ? this.#moveLeft(place) : this.#left(place))),
    ];
    const deadline = performance.now() + tidyPatience;
    while (left().length > 0 && performance.now() < deadline) {
      // A client that comes by tells each side what the other has heard.
      await this.#ground.fixture.list();
      await delay(200);
    }
    assert.deepEqual(left(), []);
  }

  /** Once it was ended and forgotten. */
  async assertGone(): Promise<void> {
    const left = (): readonly string[] => places.flatMap((place) => this.#left(place));
    await eventually(() => Promise.resolve(left().length === 0 ? true : undefined), '').catch(
      () => undefined,
    );
    assert.deepEqual(left(), []);
  }

  /** Words of any handoff: no other one is under way. */
  #wordsLeft(place: Place): readonly string[] {
    return namesIn(this.#ground.path(place, '/root/.flick/handoffs')).map(
      (name) => `${place}: handoffs/${name}`,
    );
  }

  /** What a move leaves where the process lives: nothing of an engine. */
  #moveLeft(place: Place): readonly string[] {
    const running = this.#ground
      .processes(place)
      .filter((each) => isCriu(each) || isPark(each) || each.comm === 'flick-lazy')
      .map(({ pid, comm }) => `${place}: ${comm} ${String(pid)}`);
    const root = this.#ground.path(place, `/root/.flick/processes/${this.#id}`);
    const images = namesIn(root)
      .filter((name) => existsSync(`${root}/${name}/images`))
      .map((name) => `${place}: ${name}/images`);
    return [...running, ...images];
  }

  /** Processes, namespaces, mounts and files of it on a device. */
  #left(place: Place): readonly string[] {
    const { pid } = this.#ground.fixture.lab.device(place);
    if (pid === undefined) return [`${place} is off`];
    const seen = this.#ground.processes(place);
    const own = seen.find((each) => each.pid === pid);
    const processes = seen
      .filter(
        (each) =>
          each.pidNamespace !== own?.pidNamespace ||
          each.mountNamespace !== own.mountNamespace ||
          each.command.includes(this.#id) ||
          each.command.includes(` ${this.#name} `) ||
          isCriu(each),
      )
      .map((each) => `${place}: process ${String(each.pid)} ${each.command}`);
    const mounts = readFileSync(`/proc/${String(pid)}/mounts`, 'utf8')
      .split('\n')
      .filter((line) => line.includes(this.#id))
      .map((line) => `${place}: mount ${line}`);
    // What home gave away it keeps in mind.
    const files = namesIn(this.#ground.path(place, `/root/.flick/processes/${this.#id}`))
      .filter((name) => name !== 'away.json')
      .map((name) => `${place}: processes/${name}`);
    return [...processes, ...mounts, ...files];
  }
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function settledAs(
  listed: readonly Listed[],
  copies: readonly (number | undefined)[],
): string | undefined {
  const ended = listed.filter((each) => ['exited', 'lost'].includes(each.state));
  const [live, ...others] = listed.filter((each) => !ended.includes(each));
  if (others.length > 0) return undefined;
  const [here, there] = copies;
  if (live === undefined) {
    const [last, ...more] = ended;
    if (last === undefined || more.length > 0 || here !== 0 || there !== 0) return undefined;
    return last.device === 'alpha' ? 'ended on source' : 'ended on target';
  }
  if (live.state === 'inDoubt') {
    if (live.doubt?.what === 'stranded' && live.device === 'beta') return 'stranded';
    const there = live.doubt?.what === 'lostThere' && live.device === 'alpha';
    return there && here === 1 ? 'lost there' : undefined;
  }
  if (live.state !== 'running') return undefined;
  if (live.device === 'alpha') return here === 1 && there === 0 ? 'source' : undefined;
  return here === 0 && there === 1 ? 'target' : undefined;
}
