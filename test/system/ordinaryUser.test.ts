import assert from 'node:assert/strict';
import type { LabFixture } from './labFixture.ts';
import { counter, generator, redis, type Ground, type Program } from './programs.ts';
import { roundTrip, twoDevices } from './roundTrip.ts';
import type { Site } from './stations.ts';

/** The ids of `dev`, other on each device. */
const ids = { alpha: '1101', beta: '1202' } as const;

const makers: readonly ((ground: Ground) => Program)[] = [
  (ground) =>
    counter(ground, { name: 'a Node 20 HTTP server', node: 'node', version: 'v20.', port: 8121 }),
  (ground) => generator(ground),
  (ground) => redis(ground, 6391),
];

describe('programs of an ordinary user move and keep who they are', function () {
  this.timeout(60_000);
  let fixture: LabFixture;
  before(async function () {
    fixture = await twoDevices(this, 'dev');
  });
  after(async () => fixture?.down());

  /** It believes to be who it was at home, and on the device it is who received it. */
  const inspect = async (site: Site, program: Program): Promise<void> => {
    const { station } = site;
    for (const mark of Object.keys(program.marks)) {
      for (const pid of await fixture.pidsOf(station, mark)) {
        const status = await fixture.on(station, ['cat', `/proc/${String(pid)}/status`]);
        const real = /^Uid:\t(\d+)\t(\d+)\t(\d+)/m.exec(status)?.slice(1);
        assert.deepEqual(real, [ids[station], ids[station], ids[station]]);
        const map = await fixture.on(station, ['cat', `/proc/${String(pid)}/uid_map`]);
        assert.deepEqual(map.trim().split(/\s+/), [ids.alpha, ids[station], '1']);
      }
    }
    const home = station === 'alpha' ? '/home/dev' : '/home/dev-beta';
    const foreign = await fixture.on(station, ['find', home, '!', '-user', ids[station]]);
    assert.equal(foreign, '', `files of others in ${home}`);
    const root = await fixture.lab.exec(station, ['ls', '/root/.flick/processes']);
    assert.equal(root.stdout, '', 'the agent of root has no part in it');
  };

  for (const make of makers) {
    const ground = { user: 'dev', folder: '/home/dev/programs' } as const;
    // Only its name is needed before there are devices.
    const { name } = make({ ...ground, fixture: undefined as never });
    it(name, async function () {
      const start = ({ name, command, options }: Program): Promise<string> =>
        fixture.start('alpha-dev', name, command, options);
      const program = make({ ...ground, fixture });
      await roundTrip(this, program, { fixture, user: 'dev', start, inspect });
    });
  }
});
