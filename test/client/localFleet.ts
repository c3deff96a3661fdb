import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AgentFile } from '../../client/agentFile.ts';
import type { Device } from '../../client/device.ts';
import { Fleet } from '../../client/fleet.ts';
import { LocalTransport } from '../../client/transports/local.ts';
import type { Transport } from '../../client/transports/transport.ts';
import { provisioned, root } from '../support/provisioned.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** The agent as the build makes it. */
export const agentFile = new AgentFile(join(root, 'dist', 'agent.cjs'));

/** Several real agents on this machine, each with a home of its own, as if they were devices. */
export interface LocalFleet {
  readonly fleet: Fleet;
  readonly folder: string;
  device(name: string): Device;
  /** Another client of the same agents. */
  another(): Fleet;
  /** Ends the processes and agents, and removes their homes. */
  dispose(): Promise<void>;
}

/**
 * @param names of the devices beside this machine
 * @param transportTo how the agent of a home is reached
 */
export async function makeLocalFleet(
  names: readonly string[],
  transportTo: (home: string, name: string) => Transport = (home) => new LocalTransport(home),
): Promise<LocalFleet> {
  const folder = temporaryFolder();
  // Agents inherit it; one that is installed on the machine is as good.
  process.env['FLICK_CRIU'] ??= provisioned.criu;
  const make = (): Fleet =>
    new Fleet({
      home: join(folder.path, 'local'),
      agentFile,
      prompter: {
        passphrase: () => Promise.resolve(undefined),
        confirmHostKey: () => Promise.resolve(false),
      },
      createTransport: (entry) => {
        const name = entry?.name ?? 'local';
        return transportTo(join(folder.path, name), name);
      },
    });
  const fleet = make();
  for (const name of names) await fleet.addDevice({ name, host: 'unused' });
  const others: Fleet[] = [];
  return {
    fleet,
    folder: folder.path,
    device: (name) => fleet.device(name),
    another() {
      const other = make();
      others.push(other);
      return other;
    },
    async dispose() {
      for (const device of fleet.devices) {
        // Another client may have started it.
        const home = join(folder.path, device.entry?.name ?? 'local');
        if (!existsSync(join(home, 'agent.sock'))) continue;
        await fleet.removeAgent(device, { force: true }).catch(() => undefined);
      }
      for (const each of [fleet, ...others]) each.dispose();
      folder.remove();
    },
  };
}
