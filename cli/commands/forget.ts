import type { Command } from 'commander';
import { forgetProcess } from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';
import { escapeControl } from '../text.ts';

export function registerForget(program: Command, cli: Cli): void {
  leaf(
    program,
    'forget <process>',
    'drop an ended process from the list, or leave an adopted one to itself',
  ).action(async (nameOrId: string) => {
    const { device, process } = await cli.fleet.findProcess(nameOrId);
    await device.request(forgetProcess, { id: process.id });
    cli.output.result(
      { id: process.id, name: process.name, device: device.name },
      `${escapeControl(process.name)} is forgotten.`,
    );
  });
}
