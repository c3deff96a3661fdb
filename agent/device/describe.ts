import { statfs } from 'node:fs/promises';
import { arch, cpus, hostname, platform, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { AgentHello, DeviceDescription } from '../../protocol/index.ts';
import { currentUser } from '../state/user.ts';
import { criuState } from '../engines/criu/binary.ts';
import { portableState } from '../engines/portable/node.ts';
import { readProc } from '../procfs/read.ts';
import { readUptime } from '../procfs/stat.ts';
import { helperUsable } from '../helper/installed.ts';
import { run } from './run.ts';
import { canUnshareUsers } from './userNamespaces.ts';

let sudoWorks: Promise<boolean> | undefined;

/** Describes this device to a client; `refresh` looks everything up again that is otherwise kept (CRIU, sudo, namespaces). */
export async function describeDevice(
  hello: AgentHello,
  flickHome: string,
  refresh = false,
): Promise<DeviceDescription> {
  const user = currentUser();
  const isRoot = user.uid === 0;
  const unshare = isRoot ? false : await canUnshareUsers(refresh);
  const { status } = await criuState({ flickHome }, refresh);
  return {
    hello,
    hostName: hostname(),
    platform: platform(),
    architecture: arch(),
    kernel: release(),
    distribution: await distributionName(),
    nodeVersion: process.versions.node,
    user: { name: user.name, uid: user.uid, home: user.home },
    cpuModel: await cpuModel(),
    memoryBytes: totalmem(),
    freeDiskBytes: await freeDisk(flickHome),
    uptimeMs: await readUptime(),
    userNamespaces: unshare,
    privilegedHelper: await helperUsable(),
    sudo: isRoot || (await hasSudo(refresh)),
    engines: [status, portableState()],
  };
}

/** Whether `sudo -n` runs a command without asking. Root needs none. */
export function hasSudo(refresh = false): Promise<boolean> {
  if (refresh || sudoWorks === undefined) {
    sudoWorks = run(['sudo', '-n', 'true'], { timeoutMs: 10_000 }).then(({ code }) => code === 0);
  }
  return sudoWorks;
}

/** PRETTY_NAME of os-release(5), `Linux` where there is none. */
export async function distributionName(): Promise<string> {
  const text = (await readProc('/etc/os-release')) ?? (await readProc('/usr/lib/os-release')) ?? '';
  const value = /^PRETTY_NAME=(.*)$/m.exec(text)?.[1]?.trim() ?? '';
  const unquoted = /^(["'])(.*)\1$/.exec(value)?.[2] ?? value;
  return unquoted.replace(/\\(.)/g, '$1') || 'Linux';
}

/** Space that the agent's user can still fill where it keeps its files, in bytes; 0 when that cannot be told. */
export async function freeDisk(folder: string): Promise<number> {
  for (let at = folder; ; at = dirname(at)) {
    const space = await statfs(at).catch(() => undefined);
    if (space !== undefined) return space.bavail * space.bsize;
    if (at === dirname(at)) return 0;
  }
}

/** arm64 kernels name no model; the board's name in the device tree is what people know it by. */
async function cpuModel(): Promise<string> {
  const model = cpus()[0]?.model.trim() ?? '';
  if (model !== '' && model !== 'unknown') return model;
  const board = (await readProc('/proc/device-tree/model'))?.replaceAll('\0', '').trim();
  return board === undefined || board === '' ? arch() : board;
}
