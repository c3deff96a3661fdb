import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../common/rpc.ts';
import { FlickError } from '../protocol/index.ts';
import { agentHome } from './state/home.ts';
import { agentVersion } from './version.ts';

/**
 * The agent file: `start` makes sure that the daemon runs and prints its hello as one line of JSON, `daemon` is it,
 * `pipe` joins standard input and output to its socket, `helper` is root's half of adopting for an ordinary user.
 */
async function main(): Promise<void> {
  const entry = resolve(process.argv[1] ?? '');
  const build = createHash('sha256').update(readFileSync(entry)).digest('hex');
  const home = agentHome();
  // Each imports what it needs alone: every command of a person begins with a `start`, which most often finds the daemon.
  switch (process.argv[2]) {
    case 'start': {
      const { startDaemon } = await import('./daemon/start.ts');
      process.stdout.write(`${JSON.stringify(await startDaemon(home, build, entry))}\n`);
      return;
    }
    case 'daemon': {
      const { runDaemon } = await import('./daemon/daemon.ts');
      await runDaemon({ home, build, entry, version: agentVersion });
      return;
    }
    case 'pipe': {
      const { pipeToDaemon } = await import('./daemon/pipe.ts');
      await pipeToDaemon(home);
      return;
    }
    case 'helper': {
      const { runHelper } = await import('./helper/helperMain.ts');
      await runHelper();
      return;
    }
    case 'helper-check':
      return;
    default:
      process.stderr.write('This is the Flick agent. Use the flick command to reach it.\n');
      process.exitCode = 2;
  }
}

main().catch((error: unknown) => {
  const remedy = error instanceof FlickError ? (error.remedy ?? '') : '';
  process.stderr.write(`${messageOf(error)} ${remedy}\n`);
  process.exitCode = 1;
});
