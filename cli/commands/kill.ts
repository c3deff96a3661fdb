import type { Command } from 'commander';
import { signalProcess } from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';
import { readSignal } from '../processOptions.ts';
import { escapeControl } from '../text.ts';

export function registerKill(program: Command, cli: Cli): void {
  leaf(program, 'kill <process>', 'send a signal to a process')
    .option('--signal <signal>', 'name or number', 'SIGTERM')
    .action(async (nameOrId: string, options: { readonly signal: string }) => {
      const signal = readSignal(options.signal);
      const { device, process } = await cli.fleet.findProcess(nameOrId);
      await device.request(signalProcess, { id: process.id, signal });
      cli.output.result(
        { id: process.id, name: process.name, device: device.name, signal },
        `${signal} sent to ${escapeControl(process.name)} on ${escapeControl(device.name)}.`,
      );
    });
}
