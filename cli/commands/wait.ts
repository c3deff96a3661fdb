import type { Command } from 'commander';
import { waitForExit } from '../../client/waitForExit.ts';
import { leaf, type Cli } from '../cli.ts';
import { escapeControl } from '../text.ts';

export function registerWait(program: Command, cli: Cli): void {
  leaf(program, 'wait <process>', 'wait until a process has ended, wherever it goes').action(
    async (nameOrId: string) => {
      const { fleet, output } = cli;
      const found = await fleet.findProcess(nameOrId);
      const { exitCode, signal } = await waitForExit(fleet, found);
      const name = escapeControl(found.process.name);
      output.result(
        { exitCode, signal },
        signal === null
          ? `${name} exited with ${String(exitCode ?? 'an unknown status')}.`
          : `${name} was ended by ${signal}.`,
      );
    },
  );
}
