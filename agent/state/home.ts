import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomId } from './ids.ts';
import { writeDurably } from './durable.ts';
import { currentUser } from './user.ts';

/** Longest path a unix socket can be bound to on Linux (unix(7): 108 bytes with the closing NUL). */
const maxSocketPath = 107;

/** Where an agent keeps what it knows, for one user on one device. Everything is below `root`, mode 0700. */
export interface AgentHome {
  readonly root: string;
  readonly socket: string;
  readonly log: string;
  /** One folder a process: its record and its cells. */
  readonly processes: string;
  /** One folder a handoff: images, logs and what is durably known of it. */
  readonly handoffs: string;
  /** Processes at rest: manifests, and blocks of content. */
  readonly capsules: string;
  /** The keeper's binary and other files unpacked from the agent. */
  readonly bin: string;
  /** Name of the abstract socket that only one daemon of this home can hold (unix(7)). */
  readonly lock: string;
}

export function agentHome(environment: NodeJS.ProcessEnv = process.env): AgentHome {
  const { uid, home } = currentUser();
  const root = environment['FLICK_HOME'] ?? join(home, '.flick');
  const digest = createHash('sha256').update(root).digest('hex').slice(0, 16);
  const preferred = join(root, 'agent.sock');
  const socket =
    Buffer.byteLength(preferred) <= maxSocketPath
      ? preferred
      : join(tmpdir(), `flick-${uid}-${digest}`, 'agent.sock');
  return {
    root,
    socket,
    log: join(root, 'agent.log'),
    processes: join(root, 'processes'),
    handoffs: join(root, 'handoffs'),
    capsules: join(root, 'capsules'),
    bin: join(root, 'bin'),
    lock: `\0flick-agent-${uid}-${digest}`,
  };
}

export async function createAgentHome(home: AgentHome): Promise<void> {
  for (const folder of [home.root, home.processes, home.handoffs, home.bin]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
}

/** The identity of this agent's home on this device: made once, so that a process knows its home wherever it runs. */
export async function deviceIdentity(home: AgentHome): Promise<string> {
  const path = join(home.root, 'device-id');
  const existing = await readFile(path, 'utf8').catch(() => '');
  if (/^d-[0-9a-z]{16}$/.test(existing.trim())) return existing.trim();
  const created = randomId('d', 16);
  await writeDurably(path, `${created}\n`);
  return created;
}

/** Changes with every start of the device's kernel (random(4)). */
export async function bootIdentity(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}
