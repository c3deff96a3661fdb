import { resolve } from 'node:path';
import type { Command } from 'commander';
import { formatDeviceAddress, parseDeviceAddress } from '../../client/deviceEntry.ts';
import { messageOf } from '../../common/rpc.ts';
import { leaf, type Cli } from '../cli.ts';
import { UsageError } from '../errors.ts';
import { escapeControl, formatTable } from '../text.ts';
import { registerSetup } from './setup.ts';

export function registerDevice(program: Command, cli: Cli): void {
  const device = program.command('device').description('the devices that Flick knows');

  leaf(device, 'add <name> <address>', 'add a device: ssh://[user@]host[:port]')
    .option('--identity <file>', 'private key to log in with')
    .action(async (name: string, address: string, options: { readonly identity?: string }) => {
      const entry = usage(() =>
        parseDeviceAddress(name, address, {
          identityFile: options.identity === undefined ? undefined : resolve(options.identity),
        }),
      );
      await cli.fleet.addDevice(entry);
      cli.output.result(
        { ...entry, address: formatDeviceAddress(entry) },
        `${escapeControl(name)} is ${escapeControl(formatDeviceAddress(entry))}. Check it with: flick doctor ${escapeControl(name)}`,
      );
    });

  leaf(device, 'ls', 'list the devices').action(() => {
    const devices = cli.fleet.devices.map((each) => ({
      name: each.name,
      isLocal: each.isLocal,
      address: each.entry === undefined ? 'local' : formatDeviceAddress(each.entry),
      ...each.entry,
    }));
    const rows = devices.map(({ name, isLocal, address }) => [
      name,
      isLocal ? 'this machine (local)' : address,
    ]);
    cli.output.result(devices, formatTable(['NAME', 'ADDRESS'], rows));
  });

  leaf(device, 'rm <name>', 'forget a device; its agent and processes stay as they are').action(
    async (name: string) => {
      await cli.fleet.removeDevice(name);
      cli.output.result({ removed: name }, `${escapeControl(name)} is forgotten.`);
    },
  );

  leaf(device, 'agent-remove <name>', 'remove everything that Flick has put on a device')
    .option('--force', 'end the processes that still run there')
    .action(async (name: string, options: { readonly force?: boolean }) => {
      const target = cli.fleet.device(name);
      const removed = await cli.fleet.removeAgent(target, { force: options.force ?? false });
      cli.output.result(
        { device: target.name, removed },
        [
          `Removed from ${escapeControl(target.name)}:`,
          ...removed.map((each) => `  ${escapeControl(each)}`),
        ].join('\n'),
      );
    });

  registerSetup(device, cli);
}

/** What is wrong with an argument is a matter of usage. */
function usage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}
