import { printable } from '../../procfs/command.ts';
import { readUnix, type UnixEntry } from '../../procfs/unix.ts';
import type { UnixSocket } from './factsSchema.ts';
import type { HeldInode } from './gatherDescriptors.ts';
import { socketStatistics } from './gatherInet.ts';
import { findHolders } from './holders.ts';

const maxPath = 4096;

/**
 * Unix sockets of a tree that are connected to somebody outside, in one network namespace.
 *
 * /proc/net/unix does not say who a socket is connected to; the kernel tells only through sock_diag(7), which Node cannot
 * speak and ss(8) can. Without ss, a connected socket is taken to be inside when its neighbour in inode numbers (the two
 * ends of a socketpair are made together) or a listening socket of its name is the tree's; the rest is `unknown`.
 * @param pid any process of the tree that lives in the namespace
 */
export async function gatherUnix(
  pid: number,
  held: readonly HeldInode[],
  tree: ReadonlySet<number>,
): Promise<{ readonly sockets: UnixSocket[]; readonly inodes: ReadonlySet<string> }> {
  const table = await readUnix(pid);
  const mine = new Map(
    held.filter((each) => table.has(each.inode)).map((each) => [each.inode, each]),
  );
  const inodes = new Set(mine.keys());
  if (mine.size === 0) return { sockets: [], inodes };
  const output = await socketStatistics(pid, ['-Hnax']);
  const found =
    output === undefined
      ? guessPeers(mine, table)
      : outsidePeers(mine, table, parsePeers(output, table));
  const holders = await findHolders(
    new Set(found.flatMap(({ peer }) => (peer === undefined ? [] : [`socket:[${peer}]`]))),
    tree,
  );
  const sockets = found.flatMap(({ inode, peer }): UnixSocket[] => {
    const holder = mine.get(inode);
    const entry = table.get(inode);
    if (holder === undefined || entry === undefined || entry.type === 'other') return [];
    const peerPath = peer === undefined ? '' : (table.get(peer)?.path ?? '');
    return [
      {
        pid: holder.pid,
        fd: holder.fd,
        inode,
        type: entry.type,
        path: printable(peerPath === '' ? entry.path : peerPath).slice(0, maxPath),
        peer: peer === undefined ? 'unknown' : 'outside',
        holder: holders.get(`socket:[${peer ?? ''}]`)?.[0]?.process ?? null,
      },
    ];
  });
  return { sockets, inodes };
}

export interface OutsidePeer {
  readonly inode: string;
  /** undefined: not known who it is. */
  readonly peer: string | undefined;
}

/**
 * Peers from `ss -x`: `u_str ESTAB 0 0 LOCAL INODE PEER INODE`. Names may hold spaces and digits, so a local inode counts
 * only when /proc knows it.
 * @returns peer by inode; `0` for none
 */
export function parsePeers(
  output: string,
  table: ReadonlyMap<string, UnixEntry>,
): ReadonlyMap<string, string> {
  const peers = new Map<string, string>();
  for (const line of output.split('\n')) {
    const peer = /\s(\d+)\s*$/.exec(line)?.[1];
    if (peer === undefined || !line.startsWith('u_')) continue;
    const words = line.trim().split(/\s+/).slice(4, -1);
    // The inode stands before the peer's name, which has no spaces when it is `*`: look from the right.
    const inode = words.reverse().find((word) => /^\d+$/.test(word) && table.has(word));
    if (inode !== undefined) peers.set(inode, peer);
  }
  return peers;
}

function outsidePeers(
  mine: ReadonlyMap<string, HeldInode>,
  table: ReadonlyMap<string, UnixEntry>,
  peers: ReadonlyMap<string, string>,
): OutsidePeer[] {
  return [...mine.keys()].flatMap((inode): OutsidePeer[] => {
    const entry = table.get(inode);
    if (entry === undefined || entry.listening) return [];
    const peer = peers.get(inode);
    if (peer === undefined) return entry.connected ? [{ inode, peer: undefined }] : [];
    return peer === '0' || mine.has(peer) ? [] : [{ inode, peer }];
  });
}

/** See {@link gatherUnix}: what can be said without ss. */
export function guessPeers(
  mine: ReadonlyMap<string, HeldInode>,
  table: ReadonlyMap<string, UnixEntry>,
): OutsidePeer[] {
  const ownNames = new Set<string>();
  let accepted = 0;
  for (const inode of mine.keys()) {
    const entry = table.get(inode);
    if (entry?.listening === true) ownNames.add(entry.path);
  }
  const open: string[] = [];
  for (const inode of mine.keys()) {
    const entry = table.get(inode);
    if (entry === undefined || entry.listening || !entry.connected) continue;
    const neighbours = [String(BigInt(inode) - 1n), String(BigInt(inode) + 1n)];
    if (entry.path === '' && neighbours.some((each) => mine.has(each))) continue;
    if (entry.path !== '' && ownNames.has(entry.path)) accepted += 1;
    else open.push(inode);
  }
  // Each accepted connection of the tree's own listeners has its client somewhere; if there are as many clients left
  // over as connections accepted, they belong together.
  return open.length === accepted ? [] : open.map((inode) => ({ inode, peer: undefined }));
}
