import { readProc } from './read.ts';

/** One line of /proc/net/{tcp,tcp6,udp,udp6,…} (proc_pid_net(5)). */
export interface InetSocket {
  readonly table: InetTable;
  readonly family: 4 | 6;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly state: TcpState;
  /** `0` once no descriptor holds it (TIME_WAIT). */
  readonly inode: string;
  readonly uid: number;
}

export const inetTables = [
  'tcp',
  'tcp6',
  'udp',
  'udp6',
  'udplite',
  'udplite6',
  'raw',
  'raw6',
  'icmp',
  'icmp6',
] as const;
export type InetTable = (typeof inetTables)[number];

/** include/net/tcp_states.h, from 1 on. For UDP, 1 is connected and 7 is not. */
const states = [
  'UNKNOWN',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
] as const;
export type TcpState = (typeof states)[number];

const line =
  /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]{2}) \S+ \S+ \S+\s+(\d+)\s+\S+\s+(\d+)/;

export function parseInet(table: InetTable, text: string): InetSocket[] {
  const sockets: InetSocket[] = [];
  const family = table.endsWith('6') ? 6 : 4;
  for (const each of text.split('\n')) {
    const match = line.exec(each);
    if (match === null) continue;
    const [, local, localPort, remote, remotePort, state, uid, inode] = match;
    sockets.push({
      table,
      family,
      localAddress: addressOf(local ?? ''),
      localPort: Number.parseInt(localPort ?? '0', 16),
      remoteAddress: addressOf(remote ?? ''),
      remotePort: Number.parseInt(remotePort ?? '0', 16),
      state: states[Number.parseInt(state ?? '0', 16)] ?? 'UNKNOWN',
      inode: inode ?? '0',
      uid: Number(uid),
    });
  }
  return sockets;
}

/** Sockets of the network namespace that a process lives in. */
export async function readInet(
  pid: number | 'self',
  tables: readonly InetTable[] = inetTables,
): Promise<InetSocket[]> {
  const sockets: InetSocket[] = [];
  for (const table of tables) {
    const text = await readProc(`/proc/${pid}/net/${table}`);
    if (text !== undefined) sockets.push(...parseInet(table, text));
  }
  return sockets;
}

/**
 * The kernel prints addresses as 32-bit words in the byte order of the machine; both x64 and arm64 are little-endian.
 * IPv4 addresses mapped into IPv6 are shown as IPv4.
 */
export function addressOf(hex: string): string {
  const bytes: number[] = [];
  for (let word = 0; word + 8 <= hex.length; word += 8) {
    for (let byte = 6; byte >= 0; byte -= 2) {
      bytes.push(Number.parseInt(hex.slice(word + byte, word + byte + 2), 16));
    }
  }
  if (bytes.length === 4) return bytes.join('.');
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255;
  if (mapped && bytes[11] === 255) return bytes.slice(12).join('.');
  const groups: string[] = [];
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  }
  return compress(groups);
}

/** `address:port`, IPv6 in brackets. */
export function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** True for the addresses that mean "on every address of this machine". */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** True for an address that stays inside one machine. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** The longest run of two or more zero groups becomes `::` (RFC 5952). */
function compress(groups: readonly string[]): string {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < groups.length; at += 1) {
    let length = 0;
    while (groups[at + length] === '0') length += 1;
    if (length > best.length) best = { at, length };
  }
  if (best.at < 0) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}
