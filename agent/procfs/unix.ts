import { readProc } from './read.ts';

/** One line of /proc/net/unix (proc_pid_net(5)). It does not say who the other end is. */
export interface UnixEntry {
  readonly inode: string;
  readonly type: 'stream' | 'datagram' | 'seqpacket' | 'other';
  readonly listening: boolean;
  readonly connected: boolean;
  /** Path, or `@name` for an abstract one; empty without a name. */
  readonly path: string;
}

const types = new Map<string, UnixEntry['type']>([
  ['0001', 'stream'],
  ['0002', 'datagram'],
  ['0005', 'seqpacket'],
]);
const line =
  /^[0-9a-fA-F]+: [0-9A-F]{8} [0-9A-F]{8} ([0-9A-F]{8}) ([0-9A-F]{4}) ([0-9A-F]{2}) +(\d+)(?: (.*))?$/;
/** __SO_ACCEPTCON of include/uapi/linux/net.h. */
const acceptsConnections = 0x0001_0000;

/**
 * A path may hold line breaks, which the kernel prints as they are; the rest of such a path is dropped. Somebody could
 * forge lines that way, so the first line of an inode counts and nothing here decides about rights.
 */
export function parseUnix(text: string): Map<string, UnixEntry> {
  const entries = new Map<string, UnixEntry>();
  for (const each of text.split('\n')) {
    const match = line.exec(each);
    if (match === null) continue;
    const [, flags, type, state, inode, path] = match;
    if (inode === undefined || entries.has(inode)) continue;
    entries.set(inode, {
      inode,
      type: types.get(type ?? '') ?? 'other',
      listening: (Number.parseInt(flags ?? '0', 16) & acceptsConnections) !== 0,
      connected: state === '03',
      path: path ?? '',
    });
  }
  return entries;
}

/** Sockets of the network namespace that a process lives in, by inode. */
export async function readUnix(pid: number | 'self'): Promise<Map<string, UnixEntry>> {
  return parseUnix((await readProc(`/proc/${pid}/net/unix`)) ?? '');
}
