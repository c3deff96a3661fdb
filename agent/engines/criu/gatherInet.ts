import { run } from '../../device/run.ts';
import { readProcLink } from '../../procfs/read.ts';
import { endpoint, readInet, type InetSocket } from '../../procfs/inet.ts';
import type { Connection, CriuFacts, UnsupportedObject } from './factsSchema.ts';
import type { HeldInode } from './gatherDescriptors.ts';

export interface InetFacts {
  readonly listening: CriuFacts['listening'];
  readonly connections: Connection[];
  readonly unsupported: UnsupportedObject[];
}

/**
 * Internet sockets of a tree in one network namespace. A loopback connection is inside when the tree holds both ends.
 * @param pid any process of the tree that lives in the namespace
 */
export async function gatherInet(pid: number, held: readonly HeldInode[]): Promise<InetFacts> {
  const facts: InetFacts = { listening: [], connections: [], unsupported: [] };
  if (held.length === 0) return facts;
  const byInode = new Map(held.map((each) => [each.inode, each]));
  const sockets = (await readInet(pid)).filter((socket) => byInode.has(socket.inode));
  const multipath = await multipathInodes(pid);
  const locals = new Set(sockets.map((socket) => ends(socket).join(' ')));
  for (const socket of sockets) {
    const holder = byInode.get(socket.inode);
    if (holder === undefined) continue;
    if (multipath.has(socket.inode)) {
      const where = endpoint(socket.localAddress, socket.localPort);
      facts.unsupported.push({
        pid: holder.pid,
        fd: holder.fd,
        what: `a Multipath TCP socket (${where})`,
        cause: 'connection',
      });
    } else {
      add(facts, socket, holder, locals);
    }
  }
  return facts;
}

function add(
  facts: InetFacts,
  socket: InetSocket,
  holder: HeldInode,
  locals: ReadonlySet<string>,
): void {
  const protocol = socket.table.startsWith('tcp') ? 'tcp' : 'udp';
  const { pid, fd } = holder;
  const listens = protocol === 'tcp' ? socket.state === 'LISTEN' : socket.remotePort === 0;
  if (listens) {
    if (!/^(tcp|udp)/.test(socket.table) || socket.localPort === 0) return;
    facts.listening.push({
      protocol,
      address: socket.localAddress,
      port: socket.localPort,
      pid,
    });
    return;
  }
  if (socket.remotePort === 0 || !/^(tcp|udp)/.test(socket.table)) return;
  const [local, remote] = ends(socket);
  facts.connections.push({
    pid,
    fd,
    protocol,
    local,
    remote,
    state: socket.state,
    inside: locals.has(`${remote} ${local}`),
  });
}

function ends(socket: InetSocket): [string, string] {
  return [
    endpoint(socket.localAddress, socket.localPort),
    endpoint(socket.remoteAddress, socket.remotePort),
  ];
}

/**
 * Inodes of Multipath TCP sockets, which /proc shows as plain TCP. Only `ss` can tell them apart; without it they are
 * found when the dump fails.
 */
async function multipathInodes(pid: number): Promise<ReadonlySet<string>> {
  const output = await socketStatistics(pid, ['-HnaeM']);
  const inodes = new Set<string>();
  for (const match of (output ?? '').matchAll(/\bino:(\d+)/g)) inodes.add(match[1] ?? '');
  return inodes;
}

/** What ss(8) prints for the network namespace of a process; undefined without ss, or where entering is not allowed. */
export async function socketStatistics(
  pid: number,
  options: readonly string[],
): Promise<string | undefined> {
  for (const program of ['ss', '/usr/sbin/ss', '/sbin/ss', '/usr/bin/ss']) {
    const argv: [string, ...string[]] = (await sharesNetwork(pid))
      ? [program, ...options]
      : ['nsenter', `--net=/proc/${pid}/ns/net`, '--', program, ...options];
    const { code, stdout } = await run(argv, { timeoutMs: 10_000 });
    if (code === 0) return stdout;
    if (code !== 127) return undefined;
  }
  return undefined;
}

async function sharesNetwork(pid: number): Promise<boolean> {
  const own = await readProcLink('/proc/self/ns/net');
  const other = await readProcLink(`/proc/${pid}/ns/net`);
  return own === other || other === undefined;
}
