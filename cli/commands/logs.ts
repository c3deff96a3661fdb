import type { Command } from 'commander';
import { openTerminal } from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';

export function registerLogs(program: Command, cli: Cli): void {
  leaf(program, 'logs <process>', 'print what a process has written').action(
    async (nameOrId: string) => {
      const { fleet, output } = cli;
      const { device, process } = await fleet.findProcess(nameOrId);
      const { id, name } = process;
      const { ticket, offset } = await device.request(openTerminal, { id, follow: false });
      const stream = await device.openStream(ticket);
      const chunks: Buffer[] = [];
      for await (const chunk of stream) {
        if (!Buffer.isBuffer(chunk)) continue;
        if (output.json) chunks.push(chunk);
        else await output.raw(chunk);
        if (output.isBroken) break;
      }
      stream.destroy();
      if (output.json) {
        const text = Buffer.concat(chunks).toString('utf8');
        output.result({ id, name, device: device.name, offset, text }, '');
      }
    },
  );
}
