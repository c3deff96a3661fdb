import { eventually, LabFixture } from './labFixture.ts';
import { steadyBeats, type Program } from './programs.ts';
import { siteAt, travel, type Site, type Station } from './stations.ts';

/** How a program comes under Flick's care on alpha. */
export interface Beginning {
  readonly fixture: LabFixture;
  readonly user: 'root' | 'dev';
  start(program: Program): Promise<string>;
  /** The process at a station; where it is not told, its output is what its terminal showed. */
  site?(id: string, station: Station): Site;
  /** Looks closer at every station. */
  inspect?(site: Site, program: Program): Promise<void>;
}

/** Moves a program that works from alpha to beta and back, and looks at its state at each station. */
export async function roundTrip(
  context: Mocha.Context,
  program: Program,
  beginning: Beginning,
): Promise<void> {
  const { fixture, user } = beginning;
  await program.prepare(context);
  const id = await beginning.start(program);
  const at = (station: Station): Site =>
    beginning.site?.(id, station) ?? siteAt(fixture, id, station, user);
  let here = at('alpha');
  let beat = program.hasBeats ? await steadyBeats(here, 3) : 0;
  await program.begin(here);
  await program.look(here);
  for (const to of ['beta', 'alpha'] as const) {
    const { marks, probe } = program;
    await travel({ fixture, id, from: here.station, to, user, marks, probe });
    here = at(to);
    if (program.hasBeats) beat = await steadyBeats(here, beat);
    await program.look(here);
    await beginning.inspect?.(here, program);
  }
  const end = (await program.finish?.(here)) ?? 'runs';
  if (end === 'runs') await fixture.flick.json(['kill', id, '--signal', 'KILL']);
  for (const mark of Object.keys(program.marks)) {
    await eventually(
      async () => ((await fixture.pidsOf('alpha', mark)).length === 0 ? true : undefined),
      `${mark} ends`,
    );
  }
}

/** Two devices, and in Flick's list only the logins of this user: every command asks all devices that Flick knows. */
export async function twoDevices(
  context: Mocha.Context,
  user: 'root' | 'dev',
): Promise<LabFixture> {
  const fixture = await LabFixture.up(context, ['alpha', 'beta']);
  const others = user === 'root' ? ['alpha-dev', 'beta-dev'] : ['alpha', 'beta'];
  for (const each of others) await fixture.flick.run(['device', 'rm', each]);
  return fixture;
}
