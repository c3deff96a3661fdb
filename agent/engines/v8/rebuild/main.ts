import { writeFileSync } from 'node:fs';
import { Inspection } from '../capture/inspection.ts';
import { nodeInternals } from '../capture/internals.ts';
import { useHidden } from '../capsule/builtins.ts';
import { hiddenOf } from './hidden.ts';
import { Gate } from '../capsule/gate.ts';
import { CapsuleError, readCapsule } from '../capsule/read.ts';
import { fillHosts, goLive, reserveHosts } from '../hosts/rebuild.ts';
import { reopenFiles } from '../hosts/reopenedFiles.ts';
import type { RestoreHold } from '../restoreProgram.ts';
import { RebuildError } from './code.ts';
import { getReady, waitFor, type Readiness } from './getReady.ts';
import { headOf } from '../headOf.ts';
import { Modules } from './modules.ts';
import { FunctionTexts } from './functionTexts.ts';
import { sameSource, type Trees } from '../language/readTree.ts';
import { practise } from './practice.ts';
import { showTracesAsWritten } from './traces.ts';
import { verify } from './verify.ts';
import { World } from './world.ts';

/** Status of a process in which the program could not be rebuilt. */
const failed = 70;

interface Settings {
  readonly file: string;
  readonly cwd?: string;
  /** Whether the environment is the caller's instead of the program's. */
  readonly env?: boolean;
  readonly hold?: RestoreHold;
  /** The program still runs where it is: its capsule will come. */
  readonly readiness?: Readiness;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;

function enter(folder: string): void {
  try {
    process.chdir(folder);
  } catch {
    throw new RebuildError(`its folder ${folder} is not there.`);
  }
}

async function main(): Promise<void> {
  const inspection = new Inspection();
  const internals = nodeInternals(inspection);
  useHidden(hiddenOf(inspection, internals));
  const { readiness } = settings;
  const read: Trees =
    readiness === undefined
      ? new Map()
      : getReady(readiness, (trees) => practise(trees, internals, inspection));
  if (readiness !== undefined) waitFor(settings.file);
  const written = readCapsule(settings.file);
  const scripts = written.scripts.map((script) => ({
    ...script,
    source: sameSource(read, script.source, script.kind),
  }));
  const capsule = { ...written, scripts };
  if (settings.cwd === undefined) enter(capsule.header.cwd);
  reopenFiles(capsule.roots.files);
  if (settings.env === true) Reflect.deleteProperty(capsule.roots.hosts['process'] ?? {}, 'env');
  const modules = new Modules(capsule, internals, inspection);
  const texts = new FunctionTexts();
  texts.install();
  const world = new World(capsule, texts, modules, read);
  await modules.load({
    tree: (script) => world.code.tree(script),
    declaredIn: (context) => world.code.declaredIn(context),
    value: (value) => world.value(value),
  });
  world.makeAll();
  world.fill();
  fillHosts(world);
  modules.run();
  verify(world);
  // The program has been told of rejections that nobody handled: here they are reported to no one.
  const reported = (): void => undefined;
  process.on('unhandledRejection', reported);
  await world.settle();
  // Nothing may happen between the two: a connection to a port that has been opened would find nobody.
  await inImmediate((running) => {
    process.off('unhandledRejection', reported);
    // Until then the old process may have the ports.
    if (readiness?.go !== undefined) waitFor(readiness.go);
    reserveHosts(world);
    const { hold } = settings;
    const gate = hold === undefined ? undefined : new Gate(hold.gate);
    if (hold !== undefined) writeFileSync(hold.mark, '');
    gate?.wait();
    showTracesAsWritten(internals, capsule.scripts);
    goLive(world, internals, running);
    inspection.dispose();
    gate?.leave();
  });
}

/** At the place in a turn of the event loop at which the program was captured. */
function inImmediate(work: (running: object) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const running = setImmediate(() => {
      try {
        work(running);
        resolve();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}

/** A sentence; where the reason is one that nobody thought of, what a log should have follows on lines of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof RebuildError || error instanceof CapsuleError) {
    return `The program could not be rebuilt: ${error.message}`;
  }
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `The program could not be rebuilt, for a reason that is not known (${headOf(details)}).\n${details}`;
}

main().catch((error: unknown) => {
  const why = reasonOf(error);
  if (settings.hold === undefined) process.stderr.write(`${why}\n`);
  else {
    writeFileSync(settings.hold.failure, why);
    // Listeners of the program would hear of an exit, and it has never run here.
    process.kill(process.pid, 'SIGKILL');
  }
  process.exit(failed);
});
