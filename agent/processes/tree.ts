import type { InferOutput } from 'valibot';
import type { listeningPort, ProcessNode } from '../../protocol/index.ts';
import { childrenOf } from '../procfs/children.ts';
import { commandLine, readArguments } from '../procfs/command.ts';
import { inodeOf, readDescriptors } from '../procfs/descriptors.ts';
import { readInet } from '../procfs/inet.ts';
import { eachOf, readPids, readProcLink, readTasks } from '../procfs/read.ts';
import { hasEnded, readStat, type ProcessStat } from '../procfs/stat.ts';

export type ListeningPort = InferOutput<typeof listeningPort>;

/** One process as a moment saw it. */
export interface TreeProcess {
  readonly pid: number;
  readonly parent: number;
  readonly comm: string;
  readonly args: readonly string[];
  /** The command line for people: arguments joined by spaces, control characters escaped; `[comm]` without one. */
  readonly command: string;
  readonly state: string;
  readonly startTicks: number;
  readonly rssBytes: number;
  /** TIDs, the main thread's included; empty when the process ended meanwhile. */
  readonly threads: readonly number[];
}

/** A process and all its descendants, parents before children, the root first. */
export interface ProcessTree {
  readonly root: TreeProcess;
  readonly processes: readonly TreeProcess[];
}

/** `stat` of every process of the device, by PID. */
export type ProcessTable = ReadonlyMap<number, ProcessStat>;

export async function readProcessTable(): Promise<ProcessTable> {
  const stats = await eachOf(await readPids(), readStat);
  return new Map(stats.flatMap((stat) => (stat === undefined ? [] : [[stat.pid, stat] as const])));
}

/**
 * The tree below a PID; undefined when there is no such process, or it has ended and is only waited for.
 * @param table of the same moment, where several trees are read at once
 */
export async function readTree(
  rootPid: number,
  table?: ProcessTable,
): Promise<ProcessTree | undefined> {
  const known = table ?? (await readProcessTable());
  return treeOf(rootPid, descendants(known, rootPid));
}

/**
 * The tree below a PID that stands still. Nothing else of the device is looked at, which may have many processes.
 * @returns undefined as {@link readTree}
 */
export async function readStoppedTree(rootPid: number): Promise<ProcessTree | undefined> {
  const stats: ProcessStat[] = [];
  const pending = [rootPid];
  for (let pid = pending.shift(); pid !== undefined; pid = pending.shift()) {
    const stat = await readStat(pid);
    if (stat === undefined) continue;
    stats.push(stat);
    pending.push(...(await childrenOf(pid)));
  }
  return treeOf(rootPid, stats);
}

async function treeOf(
  rootPid: number,
  order: readonly ProcessStat[],
): Promise<ProcessTree | undefined> {
  const read = await eachOf(order, readTreeProcess);
  const processes = read.filter((each) => each !== undefined);
  const root = processes[0];
  if (root === undefined || root.pid !== rootPid || root.state === 'Z') return undefined;
  return { root, processes };
}

/** A process and all below it, parents first, zombies included. */
export function descendants(table: ProcessTable, rootPid: number): ProcessStat[] {
  const children = new Map<number, ProcessStat[]>();
  for (const stat of table.values()) {
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [stat]);
    else siblings.push(stat);
  }
  const root = table.get(rootPid);
  const order: ProcessStat[] = root === undefined ? [] : [root];
  const seen = new Set(order.map((stat) => stat.pid));
  // `order` grows while it is walked; `seen` keeps a table that was read while PIDs were reused from going in circles.
  for (const stat of order) {
    for (const child of children.get(stat.pid) ?? []) {
      if (seen.has(child.pid)) continue;
      seen.add(child.pid);
      order.push(child);
    }
  }
  return order;
}

/** The tree as views show it: one node, the root's. Ended children that are only waited for are left out. */
export function nodesOf(tree: ProcessTree): ProcessNode[] {
  const nodeOf = (process: TreeProcess): ProcessNode => ({
    pid: process.pid,
    command: process.command,
    rssBytes: process.rssBytes,
    children: tree.processes
      .filter((child) => child.parent === process.pid && child !== process && child.state !== 'Z')
      .map(nodeOf),
  });
  return [nodeOf(tree.root)];
}

/** Memory of the whole tree in bytes, shared pages counted for each process. */
export function treeRss(tree: ProcessTree): number {
  return tree.processes.reduce((sum, process) => sum + process.rssBytes, 0);
}

/** Ports that processes of the tree listen on (TCP) or are bound to without a peer (UDP), sorted, each once. */
export async function listeningPorts(tree: ProcessTree): Promise<ListeningPort[]> {
  const byNamespace = new Map<string, { pid: number; inodes: Set<string> }>();
  await eachOf(tree.processes, async ({ pid }) => {
    const inodes = await socketInodes(pid);
    if (inodes.size === 0) return;
    const namespace = (await readProcLink(`/proc/${pid}/ns/net`)) ?? `of ${pid}`;
    const entry = byNamespace.get(namespace);
    if (entry === undefined) byNamespace.set(namespace, { pid, inodes });
    else for (const inode of inodes) entry.inodes.add(inode);
  });
  const ports = new Map<string, ListeningPort>();
  for (const { pid, inodes } of byNamespace.values()) {
    for (const socket of await readInet(pid, ['tcp', 'tcp6', 'udp', 'udp6'])) {
      const protocol = socket.table.startsWith('tcp') ? 'tcp' : 'udp';
      const listens = protocol === 'tcp' ? socket.state === 'LISTEN' : socket.remotePort === 0;
      if (!listens || socket.localPort === 0 || !inodes.has(socket.inode)) continue;
      const port = { protocol, address: socket.localAddress, port: socket.localPort } as const;
      ports.set(`${protocol} ${port.address} ${port.port}`, port);
    }
  }
  return [...ports.values()].sort(
    (a, b) =>
      a.protocol.localeCompare(b.protocol) || a.port - b.port || a.address.localeCompare(b.address),
  );
}

/** Inodes of the sockets that a process holds. */
export async function socketInodes(pid: number): Promise<Set<string>> {
  const inodes = new Set<string>();
  for (const { target } of (await readDescriptors(pid)) ?? []) {
    const inode = inodeOf(target, 'socket');
    if (inode !== undefined) inodes.add(inode);
  }
  return inodes;
}

async function readTreeProcess(stat: ProcessStat): Promise<TreeProcess | undefined> {
  const args = await readArguments(stat.pid);
  if (args === undefined && !hasEnded(stat)) return undefined;
  return {
    pid: stat.pid,
    parent: stat.parent,
    comm: stat.comm,
    args: args ?? [],
    command: commandLine(args ?? [], stat.comm),
    state: stat.state,
    startTicks: stat.startTicks,
    rssBytes: stat.rssBytes,
    threads: (await readTasks(stat.pid)) ?? [],
  };
}
