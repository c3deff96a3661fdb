import { Inspection } from '../capture/inspection.ts';
import { nodeInternals } from '../capture/internals.ts';
import { useVariables } from '../capsule/builtins.ts';
import { CapsuleError, readCapsule } from '../capsule/read.ts';
import { goLive } from '../hosts/rebuild.ts';
import { RebuildError } from './code.ts';
import { World } from './world.ts';

/** Status of a process in which the program could not be rebuilt. */
const failed = 70;

interface Settings {
  readonly file: string;
  readonly cwd?: string;
}

async function main(): Promise<void> {
  const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
  const capsule = readCapsule(settings.file);
  if (settings.cwd === undefined) process.chdir(capsule.header.cwd);
  const inspection = new Inspection();
  const internals = nodeInternals(inspection);
  useVariables((f, name) => {
    for (const { object } of inspection.internals(f).scopes) {
      if (Object.hasOwn(object, name)) return Reflect.get(object, name) as unknown;
    }
    return undefined;
  });
  const world = new World(capsule);
  world.makeAll();
  world.fill();
  await world.settle();
  inspection.dispose();
  goLive(world, internals);
}

main().catch((error: unknown) => {
  const isKnown = error instanceof RebuildError || error instanceof CapsuleError;
  const why = error instanceof Error ? (isKnown ? error.message : (error.stack ?? error.message)) : String(error);
  process.stderr.write(`The program could not be rebuilt: ${why}\n`);
  process.exit(failed);
});
