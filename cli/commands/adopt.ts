import type { Command } from 'commander';
import { adoptProcess } from '../../protocol/index.ts';
import { collect, leaf, type Cli } from '../cli.ts';
import { UsageError } from '../errors.ts';
import { carriedFolders } from '../processOptions.ts';
import { escapeControl } from '../text.ts';
import { processDocument } from './ps.ts';

interface AdoptOptions {
  readonly on: string;
  readonly name?: string;
  readonly carry?: readonly string[];
}

export function registerAdopt(program: Command, cli: Cli): void {
  leaf(program, 'adopt <pid>', 'take a process that already runs under Flick’s care')
    .requiredOption('--on <device>', 'the device it runs on (“local” is this machine)')
    .option('--name <name>', 'what to call it')
    .option('--carry <dir>', 'a folder that goes along when it moves; may be repeated', collect)
    .action(async (pidText: string, options: AdoptOptions) => {
      const pid = /^\d+$/.test(pidText) ? Number(pidText) : 0;
      if (pid < 1) throw new UsageError(`“${pidText}” is not a process id.`);
      const device = cli.fleet.device(options.on);
      const carry = carriedFolders(options.carry, device);
      await device.connect();
      const { process } = await device.request(adoptProcess, {
        pid,
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(carry === undefined ? {} : { carry }),
      });
      cli.output.result(
        processDocument({ device, process }),
        `${escapeControl(process.name)} is ${process.id} on ${escapeControl(device.name)}.`,
      );
    });
}
