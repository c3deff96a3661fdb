import type { Command } from 'commander';
import { once } from 'node:events';
import { FleetDebugHost } from '../../client/debugHost.ts';
import { silentLogger, jsonLineLogger } from '../../common/logger.ts';
import { FlickDebugSession } from '../../debug-adapter/session/flickDebugSession.ts';
import type { Cli } from '../cli.ts';

export function registerDap(program: Command, cli: Cli): void {
  program
    .command('dap')
    .description('speak the Debug Adapter Protocol on standard input and output, for other editors')
    .action(async () => serveDap(cli));
}

/** Serves one debug session; ends when the editor has ended it or has gone. */
async function serveDap(cli: Cli): Promise<void> {
  const session = new FlickDebugSession({
    host: new FleetDebugHost(cli.fleet),
    logger:
      cli.environment['FLICK_DEBUG'] === undefined
        ? silentLogger
        : jsonLineLogger((line) => process.stderr.write(line), 'debug'),
  });
  const finished = new Promise<void>((resolve) => session.onDidFinish(resolve));
  session.start(process.stdin, process.stdout);
  process.stdin.once('end', () => session.shutdown());
  await finished;
  session.dispose();
  if (process.stdout.writableLength > 0) await once(process.stdout, 'drain');
}
