import assert from 'node:assert/strict';
import { LabFixture } from './labFixture.ts';
import {
  counter,
  generator,
  nginx,
  pipeline,
  redis,
  steadyBeats,
  threads,
  transaction,
  type Ground,
  type Program,
} from './programs.ts';
import { travel, type Site, type Station } from './stations.ts';

const makers: readonly ((ground: Ground) => Program)[] = [
  (ground) =>
    counter(ground, { name: 'a Node 20 HTTP server', node: 'node', version: 'v20.', port: 8120 }),
  (ground) =>
    counter(ground, {
      name: 'a Node 24 HTTP server',
      node: '/opt/flick-lab/clone/.cache/node/24/bin/node',
      version: 'v24.',
      port: 8124,
    }),
  (ground) => generator(ground),
  (ground) => redis(ground, 6390),
  transaction,
  (ground) => nginx(ground, 8180),
  threads,
  pipeline,
];

describe('real programs move from alpha to beta and back', function () {
  this.timeout(60_000);
  let fixture: LabFixture;
  before(async function () {
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
  });
  after(async () => fixture?.down());

  for (const make of makers) {
    // Only its name is needed before there are devices.
    const ground = { user: 'root', folder: '/root/programs' } as const;
    const { name } = make({ ...ground, fixture: undefined as never });
    it(name, async function () {
      const program = make({ ...ground, fixture });
      await program.prepare(this);
      const id = await fixture.start('alpha', program.name, program.command, program.options);
      const at = (station: Station): Site => {
        const { address } = fixture.lab.device(station);
        return { fixture, id, station, address, user: 'root' };
      };
      let here = at('alpha');
      let beat = program.hasBeats ? await steadyBeats(here, 3) : 0;
      await program.begin(here);
      await program.look(here);
      for (const station of ['beta', 'alpha'] as const) {
        await travel({
          ...{ fixture, id, user: 'root', marks: program.marks, probe: program.probe },
          ...{ from: here.station, to: station },
        });
        here = at(station);
        if (program.hasBeats) beat = await steadyBeats(here, beat);
        await program.look(here);
      }
      const end = (await program.finish?.(here)) ?? 'runs';
      if (end === 'runs') await fixture.end(id);
      else await fixture.flick.run(['forget', id]);
      for (const mark of Object.keys(program.marks)) {
        assert.deepEqual(await fixture.pidsOf('alpha', mark), []);
      }
    });
  }
});
