import { constants } from 'node:os';
import { Command, CommanderError } from 'commander';
import { Cli, runningBundle, type SetStatus } from './cli.ts';
import { registerAdopt } from './commands/adopt.ts';
import { registerAttach } from './commands/attach.ts';
import { registerCapsule } from './commands/capsule.ts';
import { registerCheck } from './commands/check.ts';
import { registerDebugUrl } from './commands/debugUrl.ts';
import { registerDap } from './commands/dap.ts';
import { registerDevice } from './commands/device.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerForget } from './commands/forget.ts';
import { registerKill } from './commands/kill.ts';
import { registerLogs } from './commands/logs.ts';
import { registerMove } from './commands/move.ts';
import { registerPs } from './commands/ps.ts';
import { registerResolve } from './commands/resolve.ts';
import { registerRun } from './commands/run.ts';
import { registerVersion } from './commands/version.ts';
import { registerWait } from './commands/wait.ts';
import { describeFailure, exitStatuses, UsageError } from './errors.ts';

function buildProgram(cli: Cli, setStatus: SetStatus): Command {
  const program = new Command('flick')
    .description('Moves running processes between devices.')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  registerDevice(program, cli);
  registerDoctor(program, cli, setStatus);
  registerRun(program, cli, setStatus);
  registerAdopt(program, cli);
  registerPs(program, cli);
  registerAttach(program, cli, setStatus);
  registerLogs(program, cli);
  registerCheck(program, cli, setStatus);
  registerMove(program, cli);
  registerCapsule(program, cli);
  registerDebugUrl(program, cli);
  registerKill(program, cli);
  registerWait(program, cli);
  registerForget(program, cli);
  registerResolve(program, cli);
  registerDap(program, cli);
  registerVersion(program, cli);
  return program;
}

/** What comes after `--` belongs to the program that is run, not to us. */
function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  return words.slice(0, end < 0 ? undefined : end).includes('--json');
}

async function main(words: readonly string[]): Promise<number> {
  const cli = new Cli({ json: asksForJson(words), bundle: runningBundle() });
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGINT' && cli.interrupt()) return;
    cli.dispose();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  let status: number = exitStatuses.done;
  try {
    const program = buildProgram(cli, (chosen) => (status = chosen));
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    status = report(cli, error);
  } finally {
    await cli.end();
  }
  return status;
}

function report(cli: Cli, error: unknown): number {
  if (error instanceof CommanderError) {
    // Help that was asked for has been printed by then.
    if (error.exitCode === 0) return exitStatuses.done;
    const message = error.message.replace(/^error: /, '');
    // The groups of commands give their help when none is named.
    return say(cli, new UsageError(message === '(outputHelp)' ? 'A command is needed.' : message));
  }
  return say(cli, error);
}

function say(cli: Cli, error: unknown): number {
  const { status, document, text } = describeFailure(error);
  if (cli.output.json) cli.output.result({ error: document }, '');
  else cli.output.note(`flick: ${text}`);
  return status;
}

// Whatever a device's connection still holds open must not keep the program; output to pipes and files is written by now.
void main(process.argv.slice(2)).then((status) => process.exit(status));
