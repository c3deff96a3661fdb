import assert from 'node:assert/strict';
import { isFullRun, sample } from '../support/seed.ts';
import { holdingsOf, storyOf, type Holdings } from './deviceView.ts';
import { eventually, type LabFixture } from './labFixture.ts';
import {
  counter,
  generator,
  pipeline,
  steadyBeats,
  type Ground,
  type Program,
} from './programs.ts';
import { twoDevices } from './roundTrip.ts';
import { siteAt, travel, type Station } from './stations.ts';

/** Moves of each program; from then on nothing may grow any more. `FLICK_SOAK` is for a shorter look. */
const moves = Number(process.env['FLICK_SOAK'] ?? (isFullRun ? '200' : '4'));
const settled = moves > 20 ? 20 : 2;

/** What an agent's memory may differ by from one look to another, in bytes: its heap breathes. */
const breath = 40 << 20;
/** Descriptors, threads of its pool and idle connections come and go by a few. */
const slack = 3;

/** Three programs go to and fro. */
class Soak {
  readonly #fixture: LabFixture;
  readonly #travellers: { readonly program: Program; readonly id: string; beat: number }[] = [];
  #station: Station = 'alpha';

  constructor(fixture: LabFixture) {
    this.#fixture = fixture;
  }

  async begin(context: Mocha.Context, program: Program): Promise<void> {
    await program.prepare(context);
    const id = await this.#fixture.start('alpha', program.name, program.command, program.options);
    const site = siteAt(this.#fixture, id, 'alpha', 'root');
    const beat = await steadyBeats(site, 3);
    await program.begin(site);
    this.#travellers.push({ program, id, beat });
  }

  /** Every program to the other device, its state looked at there. */
  async move(): Promise<void> {
    const from = this.#station;
    const to = from === 'alpha' ? 'beta' : 'alpha';
    for (const traveller of this.#travellers) {
      const { program, id } = traveller;
      const { marks, probe } = program;
      await travel({ fixture: this.#fixture, id, from, to, user: 'root', marks, probe });
      const site = siteAt(this.#fixture, id, to, 'root');
      traveller.beat = await steadyBeats(site, traveller.beat);
      await program.look(site);
    }
    this.#station = to;
  }

  async end(): Promise<void> {
    for (const { program, id } of this.#travellers) {
      await program.finish?.(siteAt(this.#fixture, id, this.#station, 'root'));
      await this.#fixture.end(id);
    }
  }
}

describe('programs that move to and fro for long', function () {
  this.timeout(7_200_000);
  let fixture: LabFixture;
  before(async function () {
    this.timeout(90_000);
    fixture = await twoDevices(this, 'root');
  });
  after(() => fixture?.down());

  it(`leave nothing behind in ${String(moves)} moves`, async function () {
    const soak = new Soak(fixture);
    // What lies beside a program may belong to it and travel along: each has a folder of its own.
    const ground = (folder: string): Ground => ({
      fixture,
      user: 'root',
      folder: `/root/${folder}`,
    });
    const http = { name: 'a Node 20 HTTP server', node: 'node', version: 'v20.', port: 8120 };
    const programs = [
      counter(ground('counter'), http),
      generator(ground('generator')),
      pipeline(ground('pipeline')),
    ];
    for (const each of sample('soak', programs, 1)) await soak.begin(this, each);
    let before: readonly Holdings[] = [];
    for (let count = 1; count <= moves; count += 1) {
      await soak.move().catch((error: unknown) => {
        const what = `In move ${String(count)}: ${String(error)}`;
        throw new Error([what, ...stories(fixture)].join('\n'), { cause: error });
      });
      // An even count: the programs are where they began.
      if (count === settled) before = holdings(fixture);
      if (count > settled && count % 20 === 0) tell(count, holdings(fixture));
    }
    tell(settled, before);
    tell(moves, holdings(fixture));
    const grown = (): readonly string[] =>
      ['alpha', 'beta'].flatMap((device, index) =>
        growth(device, before[index], holdingsOf(fixture.lab, device)),
      );
    await eventually(
      () => {
        assert.deepEqual(grown(), []);
        return Promise.resolve(true);
      },
      'nothing has grown',
      20_000,
    ).catch(() => {
      const much = grown();
      assert.ok(much.length === 0, [...much, ...stories(fixture)].join('\n'));
    });
    await soak.end();
  });
});

function stories({ lab }: LabFixture): readonly string[] {
  return ['alpha', 'beta'].map((device) => storyOf(lab, device));
}

function holdings(fixture: LabFixture): readonly Holdings[] {
  return ['alpha', 'beta'].map((device) => holdingsOf(fixture.lab, device));
}

function tell(count: number, seen: readonly Holdings[]): void {
  for (const [index, { descriptors, ...each }] of seen.entries()) {
    const open = Object.values(descriptors).reduce((sum, some) => sum + some, 0);
    const said = Object.entries({ ...each, open }).map(([what, much]) => `${what} ${String(much)}`);
    console.log(
      `      after ${String(count)}, ${index === 0 ? 'alpha' : 'beta'}: ${said.join(', ')}`,
    );
  }
}

/** What a device has more of than before. */
function growth(device: string, before: Holdings | undefined, now: Holdings): readonly string[] {
  if (before === undefined) return [];
  const { descriptors, agentRss, homeBytes, agentThreads, ...exact } = now;
  const grown = Object.entries(exact).flatMap(([what, much]) => {
    const was = before[what as keyof typeof exact];
    return much > was ? [`${device}: ${what} ${String(was)} → ${String(much)}`] : [];
  });
  const roughly = (what: string, was: number, much: number, room: number): string[] =>
    much > was + room ? [`${device}: ${what} ${String(was)} → ${String(much)}`] : [];
  return [
    ...grown,
    ...roughly('memory', before.agentRss, agentRss, breath),
    ...roughly('bytes at home', before.homeBytes, homeBytes, breath),
    ...roughly('threads', before.agentThreads, agentThreads, slack),
    ...Object.entries(descriptors).flatMap(([what, much]) =>
      roughly(`descriptors ${what}`, before.descriptors[what] ?? 0, much, slack),
    ),
  ];
}
