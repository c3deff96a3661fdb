import { join } from 'node:path';
import type { Logger } from '../common/logger.ts';
import type { AgentFile } from './agentFile.ts';
import { Device } from './device.ts';
import type { DeviceEntry } from './deviceEntry.ts';
import type { Prompter } from './prompter.ts';
import { ReconnectingLink } from './reconnectingLink.ts';
import { LocalTransport } from './transports/local.ts';
import { SshTransport } from './transports/ssh/sshTransport.ts';
import type { Transport } from './transports/transport.ts';

interface Surroundings {
  readonly home: string;
  readonly agentFile: AgentFile;
  readonly prompter: Prompter;
  readonly logger: Logger;
  readonly createTransport?: ((entry: DeviceEntry | undefined) => Transport) | undefined;
}

/** A device with the way it is reached. */
export function makeDevice(
  name: string,
  entry: DeviceEntry | undefined,
  surroundings: Surroundings,
): Device {
  const { agentFile, logger } = surroundings;
  const transport = surroundings.createTransport?.(entry) ?? createTransport(entry, surroundings);
  const link = new ReconnectingLink({ transport, agentFile, logger });
  return new Device({ name, entry, link, transport, logger });
}

function createTransport(
  entry: DeviceEntry | undefined,
  { home, prompter }: Surroundings,
): Transport {
  if (entry === undefined) return new LocalTransport(home);
  return new SshTransport(entry, { prompter, ownKnownHosts: join(home, 'known_hosts') });
}
