import { readProc, readProcLink, readProcNumbers } from './read.ts';

/** A watch of an inotify descriptor (proc_pid_fdinfo(5)). */
export interface InotifyWatch {
  readonly inode: bigint;
  /** st_dev as the kernel prints it there: `major << 20 | minor`. */
  readonly device: number;
  /** Whether the file system could give a handle that names the file beyond this mount. */
  readonly hasHandle: boolean;
}

/** /proc/PID/fdinfo/N. */
export interface DescriptorInfo {
  readonly pos: number;
  /** As open(2) has them; bit 0o2000000 is close-on-exec. */
  readonly flags: number;
  readonly mountId: number;
  readonly inotify: readonly InotifyWatch[];
  readonly fanotify: boolean;
  readonly locks: number;
  /** PIDs that a pidfd names, in the reader's namespace; -1 when the process is gone. */
  readonly pidOfPidfd: number | undefined;
  /** Number of the pty that a master belongs to. */
  readonly ttyIndex: number | undefined;
}

export interface Descriptor {
  readonly fd: number;
  /** As the link reads: a path (with ` (deleted)` behind a deleted one), `socket:[inode]`, `anon_inode:[eventfd]`, … */
  readonly target: string;
}

/** undefined when the process is gone or not ours to look into. */
export async function readDescriptors(pid: number): Promise<Descriptor[] | undefined> {
  const numbers = await readProcNumbers(`/proc/${pid}/fd`);
  if (numbers === undefined) return undefined;
  const descriptors: Descriptor[] = [];
  for (const fd of numbers) {
    const target = await readProcLink(`/proc/${pid}/fd/${fd}`);
    if (target !== undefined) descriptors.push({ fd, target });
  }
  return descriptors;
}

export function parseDescriptorInfo(text: string): DescriptorInfo {
  let pos = 0;
  let flags = 0;
  let mountId = -1;
  let fanotify = false;
  let locks = 0;
  let pidOfPidfd: number | undefined;
  let ttyIndex: number | undefined;
  const inotify: InotifyWatch[] = [];
  for (const line of text.split('\n')) {
    const [key, value] = splitOnce(line);
    if (key === 'pos') pos = Number(value);
    else if (key === 'flags') flags = Number.parseInt(value, 8);
    else if (key === 'mnt_id') mountId = Number(value);
    else if (key === 'lock') locks += 1;
    else if (key === 'Pid') pidOfPidfd = Number(value);
    else if (key === 'tty-index') ttyIndex = Number(value);
    else if (line.startsWith('fanotify ')) fanotify = true;
    else if (line.startsWith('inotify ')) inotify.push(parseWatch(line));
  }
  return { pos, flags, mountId, inotify, fanotify, locks, pidOfPidfd, ttyIndex };
}

export async function readDescriptorInfo(
  pid: number,
  fd: number,
): Promise<DescriptorInfo | undefined> {
  const text = await readProc(`/proc/${pid}/fdinfo/${fd}`);
  return text === undefined ? undefined : parseDescriptorInfo(text);
}

/** The inode of `socket:[N]` or `pipe:[N]`; undefined for anything else. */
export function inodeOf(target: string, kind: 'socket' | 'pipe'): string | undefined {
  return new RegExp(`^${kind}:\\[(\\d+)\\]$`).exec(target)?.[1];
}

function splitOnce(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  return colon < 0 ? ['', ''] : [line.slice(0, colon), line.slice(colon + 1).trim()];
}

function parseWatch(line: string): InotifyWatch {
  const inode = /\bino:([0-9a-f]+)/.exec(line)?.[1];
  const device = /\bsdev:([0-9a-f]+)/.exec(line)?.[1];
  const handle = /\bfhandle-bytes:([0-9a-f]+)/.exec(line)?.[1];
  return {
    inode: BigInt(`0x${inode ?? '0'}`),
    device: Number.parseInt(device ?? '0', 16),
    hasHandle: handle !== undefined && Number.parseInt(handle, 16) > 0,
  };
}
