import { basename } from 'node:path';
import { FlickError } from '../../protocol/index.ts';
import { commandLine, printable, readArguments } from '../procfs/command.ts';
import { readProcLink } from '../procfs/read.ts';
import { hasEnded, isKernelThread, readStat, readUptime, startTime } from '../procfs/stat.ts';
import { readStatus } from '../procfs/status.ts';
import { currentUser } from '../state/user.ts';
import type { ManagedProcess } from './managedProcess.ts';

/** What is remembered of a process of the host to recognise it: PIDs are used again, start times are not. */
export interface ProcessMark {
  readonly pid: number;
  readonly startTicks: number;
}

export interface AdoptableRoot {
  readonly name: string;
  readonly command: string[];
  readonly cwd: string;
  readonly startedAt: number;
  readonly startTicks: number;
}

/**
 * Looks at a process that somebody wants adopted. Only processes of the calling user are taken, root's agent included:
 * whoever wants another user's process logs in as that user.
 * @throws {FlickError} `processGone`, `notYours`, `alreadyManaged`, `notSupported`
 */
export async function adoptableRoot(
  pid: number,
  managed: readonly ManagedProcess[],
): Promise<AdoptableRoot> {
  const stat = await readStat(pid);
  const status = await readStatus(pid);
  if (stat === undefined || status === undefined || hasEnded(stat)) {
    throw new FlickError('processGone', `There is no process ${pid} on the device.`, {
      remedy: 'flick doctor and the tree list what can be adopted.',
    });
  }
  const label = `${printable(stat.comm)} (${pid})`;
  if (isKernelThread(stat) || pid === 1) {
    throw new FlickError('notSupported', `${label} is part of the system and cannot be moved.`);
  }
  const own = currentUser().uid;
  if (status.uids.some((uid) => uid !== own)) {
    throw new FlickError(
      'notYours',
      `${label} belongs to another user (id ${status.uids.find((uid) => uid !== own) ?? '?'}); Flick does not touch it.`,
      { remedy: 'Log in to the device as that user to move it.' },
    );
  }
  if (pid === process.pid || stat.comm === 'flick-keeper') {
    throw new FlickError('notSupported', `${label} is a part of Flick itself.`);
  }
  const holder = await managedAbove(pid, managed);
  if (holder !== undefined) {
    throw new FlickError(
      'alreadyManaged',
      `${label} already belongs to “${holder.record.name}” (${holder.id}), which Flick manages.`,
      { remedy: 'Move that one.' },
    );
  }
  const args = (await readArguments(pid)) ?? [];
  const uptime = await readUptime();
  return {
    name: printable(basename(args[0] ?? stat.comm)).slice(0, 200) || `pid ${pid}`,
    command: args.length > 0 ? [...args] : [commandLine([], stat.comm)],
    cwd: (await readProcLink(`/proc/${pid}/cwd`)) ?? '/',
    startedAt: Math.max(0, Math.round(startTime(stat.startTicks, uptime, Date.now()))),
    startTicks: stat.startTicks,
  };
}

export async function isAlive(mark: ProcessMark): Promise<boolean> {
  const stat = await readStat(mark.pid);
  return stat !== undefined && !hasEnded(stat) && stat.startTicks === mark.startTicks;
}

/** The managed process that the PID or one of its ancestors is, or whose cell it lives in. */
async function managedAbove(
  pid: number,
  managed: readonly ManagedProcess[],
): Promise<ManagedProcess | undefined> {
  for (let current = pid; current > 1;) {
    const found = managed.find(
      (each) => each.pid === current || (each.isLive && each.cell?.keeperPid === current),
    );
    if (found !== undefined) return found;
    current = (await readStat(current))?.parent ?? 0;
  }
  return undefined;
}
