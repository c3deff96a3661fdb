import type { Logger } from '../../common/logger.ts';
import type { AgentHello, DeviceDescription } from '../../protocol/index.ts';
import type { Capsules } from '../capsules/capsules.ts';
import type { DebugRuntimes } from '../debug/debugRuntimes.ts';
import type { DeviceSetup } from '../device/setup.ts';
import type { CriuEngine } from '../engines/criu/criuEngine.ts';
import type { Handoffs } from '../handoff/handoffs.ts';
import type { HandoffLinks } from '../handoff/link/links.ts';
import type { Processes } from '../processes/processes.ts';
import type { AgentHome } from '../state/home.ts';
import type { StreamTickets } from './tickets.ts';

/** The rooms of the daemon, made once and handed to whoever answers requests. */
export interface Services {
  readonly home: AgentHome;
  readonly hello: AgentHello;
  readonly logger: Logger;
  readonly tickets: StreamTickets;
  readonly processes: Processes;
  readonly handoffs: Handoffs;
  readonly capsules: Capsules;
  readonly links: HandoffLinks;
  readonly engine: CriuEngine;
  readonly debug: DebugRuntimes;
  readonly setup: DeviceSetup;
  readonly describe: (refresh: boolean) => Promise<DeviceDescription>;
  /** Ends the daemon once no handoff is under way. The processes go on. */
  readonly shutdown: (why: string) => void;
  /** Removes everything from the device and ends the daemon. @returns what was removed */
  readonly remove: (force: boolean) => Promise<readonly string[]>;
}
