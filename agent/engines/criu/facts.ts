import { lstat } from 'node:fs/promises';
import { arch, release } from 'node:os';
import { FlickError } from '../../../protocol/index.ts';
import { readEnvironment } from '../../procfs/command.ts';
import { readCpuFlags } from '../../procfs/cpu.ts';
import { eachOf, readProcLink } from '../../procfs/read.ts';
import { readTree, type ProcessTree } from '../../processes/tree.ts';
import type { CriuFacts, FactProcess, UnsupportedObject } from './factsSchema.ts';
import {
  gatherDescriptors,
  type DescriptorFacts,
  type HeldInode,
  type HeldNamespace,
} from './gatherDescriptors.ts';
import { gatherInet } from './gatherInet.ts';
import { gatherMemory } from './gatherMemory.ts';
import { gatherPipes, groupTerminals } from './gatherPipes.ts';
import { gatherNamespaces, gatherProcess, gatherSession } from './gatherProcesses.ts';
import { gatherUnix } from './gatherUnix.ts';
import { findPackageRoots } from './packageRoots.ts';
import { findSupervisor } from './supervisor.ts';

export interface FactsInput {
  /** PID of the tree's root as the agent sees it. */
  readonly rootPid: number;
  /** The cell it lives in; absent for a process of the host. */
  readonly cell?: { readonly keeperPid: number } | undefined;
  /** True when the terminal of the tree is one whose master a keeper holds. */
  readonly flickOwnedTty: boolean;
  /** Absolute paths, as the process sees them, that the user asked to take along. */
  readonly carry: readonly string[];
  /** What the root was started with, where its own command line does not say so: it may have been rebuilt. */
  readonly command?: readonly string[];
}

/** Longest lists that travel; the schema refuses longer ones. */
const maxList = 20_000;
const maxPath = 4096;

/** Variables that lead a program to sockets of its session: what a connection of unknown end is likely to be. */
const hints = [
  'DBUS_SESSION_BUS_ADDRESS',
  'DISPLAY',
  'WAYLAND_DISPLAY',
  'VSCODE_IPC_HOOK_CLI',
  'SSH_AUTH_SOCK',
  'NOTIFY_SOCKET',
  'PULSE_SERVER',
  'pm_id',
];

/**
 * Looks a process tree over without touching it: everything is read from /proc (and from `ss` where it is installed).
 * Nothing is stopped or frozen, so that what changes meanwhile is seen half; processes that end on the way are left out.
 * @throws {FlickError} `processGone` when the root is no more
 */
export async function gatherFacts(input: FactsInput): Promise<CriuFacts> {
  const tree = await readTree(input.rootPid);
  if (tree === undefined) throw gone(input.rootPid);
  const { command } = input;
  const pids = new Set(tree.processes.map((process) => process.pid));
  const gathered = await eachOf(tree.processes, gatherProcess);
  const descriptors = await eachOf(tree.processes, gatherDescriptors);
  const memory = await gatherMemory(tree.processes);
  const processes = gathered.flatMap((each, index) => {
    if (each === undefined) return [];
    const readable = each.state === 'Z' || descriptors[index]?.readable === true;
    return [{ ...each, readable: each.readable && readable }];
  });
  if (processes[0]?.pid !== input.rootPid) throw gone(input.rootPid);
  const all = <K extends keyof DescriptorFacts>(key: K): ItemOf<K>[] =>
    descriptors.flatMap((each) => each[key] as ItemOf<K>[]);
  const sockets = await gatherSockets(tree, all('sockets'), pids);
  const truncated: string[] = [];
  const cut = <T>(list: readonly T[], what: string): T[] => {
    if (list.length > maxList) truncated.push(what);
    return list.slice(0, maxList);
  };
  const folders = await gatherFolders(tree);
  const memoryFacts = [...memory.perProcess.values()];
  return {
    version: 1,
    rootPid: input.rootPid,
    architecture: arch(),
    kernel: release(),
    cpuFlags: [...(await readCpuFlags())].slice(0, 2000),
    processes: cut(processes, 'processes'),
    mappedFiles: cut(memory.mappedFiles, 'mapped files'),
    openFiles: cut(all('openFiles'), 'open files'),
    cwds: folders.cwds,
    chroots: folders.chroots.slice(0, 64),
    listening: cut(sockets.listening, 'listening sockets'),
    connections: cut(sockets.connections, 'connections'),
    unixSockets: cut(sockets.unixSockets, 'unix sockets'),
    terminals: groupTerminals(all('terminals')).map((each) =>
      input.flickOwnedTty && each.role === 'slave' ? { ...each, inside: true } : each,
    ),
    outsidePidfds: all('pidfds')
      .filter((each) => each.target >= 0 && !pids.has(each.target))
      .slice(0, 1000),
    pipes: await gatherPipes(all('pipes'), pids, process.getuid?.() === 0),
    leaked: cut(all('leaked'), 'descriptors of other mounts'),
    watches: cut(all('watches'), 'watches'),
    unsupported: cut(
      [
        ...all('unsupported'),
        ...memoryFacts.flatMap((each) => each.unsupported),
        ...sockets.unsupported,
        ...(await foreignHandles(tree, all('namespaces'))),
      ],
      'unsupported objects',
    ),
    environmentHints: await gatherHints(tree),
    supervisor: input.cell === undefined ? await findSupervisor(tree) : null,
    session: await gatherSession(tree),
    ...(await gatherNamespaces(tree)),
    memoryBytes: memoryFacts.reduce((sum, each) => sum + each.bytes, 0),
    packageRoots: await findPackageRoots(tree, command),
    carry: await eachOf(input.carry.slice(0, 256), async (path) => ({
      path: path.slice(0, maxPath),
      exists: (await lstat(`/proc/${input.rootPid}/root${path}`).catch(() => 0)) !== 0,
    })),
    userIds: idsOf(processes, (each) => each.uids).slice(0, 4096),
    groupIds: idsOf(processes, (each) => [...each.gids, ...each.groups]).slice(0, 65_536),
    truncated,
  };
}

/** Of the facts, the files that a tree has open, mapped and as its working directories. */
export type FileFacts = Pick<CriuFacts, 'mappedFiles' | 'openFiles' | 'cwds'>;

/**
 * Looks only at a tree's files: for a tree that stands still, and somebody waits.
 * @throws {FlickError} `processGone` when the root is no more
 */
export async function gatherFiles(rootPid: number): Promise<FileFacts> {
  const tree = await readTree(rootPid);
  if (tree === undefined) throw gone(rootPid);
  const [descriptors, { mappedFiles }, { cwds }] = await Promise.all([
    eachOf(tree.processes, gatherDescriptors),
    gatherMemory(tree.processes, true),
    gatherFolders(tree),
  ]);
  const openFiles = descriptors.flatMap((each) => each.openFiles);
  return {
    mappedFiles: mappedFiles.slice(0, maxList),
    openFiles: openFiles.slice(0, maxList),
    cwds,
  };
}

type ListKey = Exclude<keyof DescriptorFacts, 'readable'>;
type ItemOf<K extends keyof DescriptorFacts> = K extends ListKey
  ? DescriptorFacts[K][number]
  : never;

async function gatherSockets(
  tree: ProcessTree,
  held: readonly HeldInode[],
  pids: ReadonlySet<number>,
): Promise<Pick<CriuFacts, 'listening' | 'connections' | 'unixSockets' | 'unsupported'>> {
  const result: Pick<CriuFacts, 'listening' | 'connections' | 'unixSockets' | 'unsupported'> = {
    listening: [],
    connections: [],
    unixSockets: [],
    unsupported: [],
  };
  // A socket may be shared by parent and child, and then counts once.
  const unique = [...new Map(held.map((each) => [each.inode, each])).values()];
  const namespaces = new Map<string, number>();
  for (const { pid } of tree.processes) {
    const namespace = await readProcLink(`/proc/${pid}/ns/net`);
    if (namespace !== undefined && !namespaces.has(namespace)) namespaces.set(namespace, pid);
  }
  for (const pid of namespaces.values()) {
    const unix = await gatherUnix(pid, unique, pids);
    const inet = await gatherInet(
      pid,
      unique.filter((each) => !unix.inodes.has(each.inode)),
    );
    result.unixSockets.push(...unix.sockets);
    result.listening.push(...inet.listening);
    result.connections.push(...inet.connections);
    result.unsupported.push(...inet.unsupported);
  }
  return result;
}

/** Open namespaces that no process of the tree lives in: CRIU cannot say what they would be elsewhere. */
async function foreignHandles(
  tree: ProcessTree,
  held: readonly HeldNamespace[],
): Promise<UnsupportedObject[]> {
  const lived = new Set<string>();
  for (const { pid } of held.length === 0 ? [] : tree.processes) {
    for (const kind of ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts']) {
      const namespace = await readProcLink(`/proc/${pid}/ns/${kind}`);
      if (namespace !== undefined) lived.add(namespace);
    }
  }
  return held
    .filter((each) => !lived.has(each.target))
    .map(({ pid, fd, target }) => ({
      pid,
      fd,
      what: `a handle of another namespace (${target})`,
      cause: 'namespace',
    }));
}

async function gatherFolders(tree: ProcessTree): Promise<{ cwds: string[]; chroots: string[] }> {
  const cwds = new Set<string>();
  const chroots = new Set<string>();
  const ownRoot = await readProcLink('/proc/self/root');
  for (const { pid } of tree.processes) {
    const cwd = await readProcLink(`/proc/${pid}/cwd`);
    const root = await readProcLink(`/proc/${pid}/root`);
    if (cwd !== undefined) cwds.add(cwd.slice(0, maxPath));
    if (root !== undefined && root !== ownRoot) chroots.add(root.slice(0, maxPath));
  }
  return { cwds: [...cwds].slice(0, maxList), chroots: [...chroots] };
}

async function gatherHints(tree: ProcessTree): Promise<string[]> {
  const found = new Set<string>();
  for (const { pid } of tree.processes.slice(0, 64)) {
    const environment = await readEnvironment(pid);
    for (const name of hints) if (environment?.has(name) === true) found.add(name);
  }
  return [...found];
}

function idsOf(
  processes: readonly FactProcess[],
  pick: (process: FactProcess) => readonly number[],
): number[] {
  return [...new Set(processes.flatMap(pick))].sort((a, b) => a - b);
}

function gone(pid: number): FlickError {
  return new FlickError('processGone', `The process ${pid} does not run any more.`, {
    remedy: 'List the processes again: it may have ended or run under another PID.',
  });
}
