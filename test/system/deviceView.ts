import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.ts';

/** A process of a device as this machine sees it. */
export interface Seen {
  readonly pid: number;
  /** As in field 3 of /proc/PID/stat. */
  readonly state: string;
  readonly comm: string;
  readonly command: string;
  readonly pidNamespace: string;
  readonly mountNamespace: string;
}

/** Where a file of a device is for this machine; the device has to be on. */
export function pathOn(lab: Lab, device: string, file: string): string {
  const { pid } = lab.device(device);
  if (pid === undefined) throw new Error(`${device} is off`);
  return `/proc/${String(pid)}/root${file}`;
}

/** The processes of a device, cells included: all have its network. */
export function processesOn(lab: Lab, device: string): readonly Seen[] {
  const { pid } = lab.device(device);
  const network = pid === undefined ? undefined : linkOf(pid, 'net');
  if (network === undefined) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => look(Number(name), network));
}

export function agentOn(lab: Lab, device: string): Seen | undefined {
  return processesOn(lab, device).find((each) => each.command.endsWith('agent.cjs daemon'));
}

/** However it was started: through a wrapper, or by a loader that comes along with it. */
export function isCriu({ comm, command }: Seen): boolean {
  return comm === 'criu' || /\/criu (?:dump|restore) /.test(command);
}

/** What holds a program of the portable engine. */
export function isPark({ command }: Seen): boolean {
  return / park \d+ \S*gate /.test(command);
}

/** A process in which the portable engine has rebuilt a program, until it has the program's title. */
export function isRebuilt({ command }: Seen): boolean {
  return command.includes('flick-rebuild-');
}

/** What an agent has logged last, and where each process of its device stands: what to read when a test has failed. */
export function storyOf(lab: Lab, device: string): string {
  try {
    const log = readFileSync(pathOn(lab, device, '/root/.flick/agent.log'), 'utf8');
    const there = processesOn(lab, device).map(
      ({ pid, state, command }) =>
        `${String(pid)} ${state} ${waitsIn(pid)} ${command.slice(0, 120)}`,
    );
    return [`${device}:`, ...log.trim().split('\n').slice(-25), ...there].join('\n');
  } catch {
    return `${device}: no log`;
  }
}

/** The function of the kernel that a process waits in (proc_pid_wchan(5)). */
function waitsIn(pid: number): string {
  try {
    return readFileSync(`/proc/${String(pid)}/wchan`, 'utf8');
  } catch {
    return '';
  }
}

/** How much there is of whatever could be left behind on a device. */
export interface Holdings {
  readonly processes: number;
  readonly namespaces: number;
  readonly mounts: number;
  readonly agentThreads: number;
  /** The agent's, by what they lead to. */
  readonly descriptors: Readonly<Record<string, number>>;
  /** Below the agent's home, its log aside. */
  readonly files: number;
  readonly temporaryFiles: number;
  /** In bytes. */
  readonly homeBytes: number;
  readonly agentRss: number;
}

/** @throws where the device is off or has no agent */
export function holdingsOf(lab: Lab, device: string): Holdings {
  const agent = agentOn(lab, device);
  const { pid } = lab.device(device);
  if (agent === undefined || pid === undefined) throw new Error(`There is no agent on ${device}.`);
  const seen = processesOn(lab, device);
  const status = readFileSync(`/proc/${String(agent.pid)}/status`, 'utf8');
  const number = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const home = filesBelow(pathOn(lab, device, '/root/.flick')).filter(
    (path) => !path.endsWith('/agent.log'),
  );
  return {
    processes: seen.length,
    namespaces: new Set(seen.flatMap((each) => [each.pidNamespace, each.mountNamespace])).size,
    mounts: readFileSync(`/proc/${String(pid)}/mounts`, 'utf8').split('\n').length,
    agentThreads: number('Threads'),
    descriptors: descriptorsOf(agent.pid),
    files: home.length,
    temporaryFiles: filesBelow(pathOn(lab, device, '/tmp')).length,
    homeBytes: home.reduce((sum, path) => sum + sizeOf(path), 0),
    agentRss: number('VmRSS') * 1024,
  };
}

function descriptorsOf(pid: number): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  const folder = `/proc/${String(pid)}/fd`;
  for (const name of readdirSync(folder)) {
    const target = targetOf(join(folder, name))?.replace(/[:[]\d+\]?$|\d+/g, 'N');
    if (target !== undefined) counts[target] = (counts[target] ?? 0) + 1;
  }
  return counts;
}

function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** What it takes up: files of memory are sparse. */
function sizeOf(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
}

function look(pid: number, network: string): readonly Seen[] {
  try {
    if (linkOf(pid, 'net') !== network) return [];
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    const comm = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const state = stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '';
    // Who made the device's namespaces is in none of them but the network.
    if (state === 'Z' || comm === 'unshare') return [];
    const command = readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8');
    const pidNamespace = linkOf(pid, 'pid');
    const mountNamespace = linkOf(pid, 'mnt');
    if (pidNamespace === undefined || mountNamespace === undefined) return [];
    const words = command.replaceAll('\0', ' ').trim();
    return [{ pid, state, comm, command: words, pidNamespace, mountNamespace }];
  } catch {
    // It has ended meanwhile.
    return [];
  }
}

function linkOf(pid: number, kind: 'net' | 'pid' | 'mnt'): string | undefined {
  return targetOf(`/proc/${String(pid)}/ns/${kind}`);
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}
