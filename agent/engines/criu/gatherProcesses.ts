import { printable } from '../../procfs/command.ts';
import { readDescriptors } from '../../procfs/descriptors.ts';
import { eachOf, readProcLink } from '../../procfs/read.ts';
import { hasEnded, readStat, readTaskStat, type ProcessStat } from '../../procfs/stat.ts';
import { readStatus, type ProcessStatus } from '../../procfs/status.ts';
import type { ProcessTree, TreeProcess } from '../../processes/tree.ts';
import type { CriuFacts, FactProcess, NamedProcess } from './factsSchema.ts';
import { nameProcess, shownName } from './holders.ts';

const maxListed = 1000;
const maxText = 4096;
const namespaceKinds = ['pid', 'user', 'mnt', 'net', 'ipc', 'uts', 'cgroup', 'time'] as const;

/** Who the process is and how it does; undefined when it ended meanwhile. */
export async function gatherProcess(process: TreeProcess): Promise<FactProcess | undefined> {
  const { pid } = process;
  const stat = await readStat(pid);
  const status = await readStatus(pid);
  if (stat === undefined || status === undefined) return undefined;
  const tasks = await gatherTasks(process, stat, status);
  const exe = await readProcLink(`/proc/${pid}/exe`);
  return {
    pid,
    nsPid: status.nsPids.at(-1) ?? pid,
    parent: stat.parent,
    comm: printable(stat.comm),
    name: shownName(process.args, stat.comm),
    command: process.command.slice(0, maxText),
    exe: (exe ?? '').slice(0, maxText),
    uids: status.uids.slice(0, 4),
    gids: status.gids.slice(0, 4),
    groups: [...status.groups],
    sid: stat.session,
    pgid: stat.group,
    threads: process.threads.length,
    state: stat.state,
    ...tasks,
    seccomp: status.seccomp !== 0,
    limitsReadable: await canReadLimits(pid, status),
    readable: exe !== undefined || !(await staysUnreadable(pid)),
  };
}

const looks = 5;
const betweenLooks = 20;

/** A process that exits loses its program file moments before it counts as ended: only what lasts is a matter of rights. */
export async function staysUnreadable(pid: number): Promise<boolean> {
  for (let look = 0; look < looks; look++) {
    const stat = await readStat(pid);
    if (stat === undefined || hasEnded(stat)) return false;
    const exe = await readProcLink(`/proc/${pid}/exe`);
    if (exe !== undefined && (await readDescriptors(pid)) !== undefined) return false;
    await new Promise((resolve) => setTimeout(resolve, betweenLooks));
  }
  return true;
}

/** CAP_SYS_RESOURCE of capabilities(7). */
const resourceCapability = 1n << 24n;

/**
 * prlimit(2) wants the caller's own ids in all places or CAP_SYS_RESOURCE, which root has not in every container. Asked for
 * root only: an ordinary user's CRIU has the capability in its cell, and the helper answers for itself. In a user namespace below ours root has it as well.
 */
async function canReadLimits(pid: number, status: ProcessStatus): Promise<boolean> {
  if (globalThis.process.getuid?.() !== 0) return true;
  const ownUsers = await readProcLink('/proc/self/ns/user');
  if (differ(ownUsers, await readProcLink(`/proc/${pid}/ns/user`))) return true;
  const own = await readStatus(globalThis.process.pid);
  if (own === undefined || (own.capabilities & resourceCapability) !== 0n) return true;
  const same = (ids: readonly number[], id: number | undefined): boolean =>
    ids.slice(0, 3).every((each) => each === id);
  return same(status.uids, own.uids[0]) && same(status.gids, own.gids[0]);
}

async function gatherTasks(
  process: TreeProcess,
  main: ProcessStat,
  status: ProcessStatus,
): Promise<Pick<FactProcess, 'uninterruptible' | 'stoppedThreads' | 'tracer'>> {
  const { pid } = process;
  const tasks = await eachOf(process.threads.slice(0, maxListed), async (tid) => ({
    tid,
    state: (await readTaskStat(pid, tid))?.state,
    tracer: (await readStatus(pid, tid))?.tracer ?? 0,
  }));
  const tracer = [status.tracer, ...tasks.map((task) => task.tracer)].find((each) => each > 0);
  const inState = (state: string): number[] =>
    tasks.filter((task) => task.state === state).map((task) => task.tid);
  return {
    // A thread passes through D for moments; only one that is still there a little later is stuck.
    uninterruptible: await stillIn(pid, inState('D'), 'D'),
    stoppedThreads: main.state === 'T' ? [] : inState('T'),
    tracer: tracer === undefined ? null : await nameProcess(tracer),
  };
}

async function stillIn(pid: number, tids: readonly number[], state: string): Promise<number[]> {
  if (tids.length === 0) return [];
  await new Promise((resolve) => setTimeout(resolve, 50));
  const still = await eachOf(tids, async (tid) => (await readTaskStat(pid, tid))?.state === state);
  return tids.filter((_, index) => still[index] === true);
}

/** Who leads the session that the root belongs to. */
export async function gatherSession(tree: ProcessTree): Promise<CriuFacts['session']> {
  const sid = (await readStat(tree.root.pid))?.session ?? 0;
  const leaderInside = tree.processes.some((process) => process.pid === sid);
  const leads = !leaderInside && sid > 0 && (await readStat(sid)) !== undefined;
  const leader: NamedProcess | null = leads ? await nameProcess(sid) : null;
  return { sid, rootLeads: sid === tree.root.pid, leaderInside, leader };
}

/** Namespaces that differ inside the tree, and between its root and the agent (namespaces(7)). */
export async function gatherNamespaces(
  tree: ProcessTree,
): Promise<Pick<CriuFacts, 'nestedNamespaces' | 'foreignNamespaces'>> {
  const read = async (pid: number | 'self'): Promise<readonly (string | undefined)[]> =>
    Promise.all(namespaceKinds.map((kind) => readProcLink(`/proc/${pid}/ns/${kind}`)));
  const own = await read('self');
  const root = await read(tree.root.pid);
  const nested = new Set<string>();
  await eachOf(tree.processes, async (process) => {
    (await read(process.pid)).forEach((namespace, index) => {
      const kind = namespaceKinds[index];
      if (kind !== undefined && differ(namespace, root[index])) nested.add(kind);
    });
  });
  return {
    nestedNamespaces: [...nested],
    foreignNamespaces: namespaceKinds.filter((_, index) => differ(own[index], root[index])),
  };
}

function differ(first: string | undefined, second: string | undefined): boolean {
  return first !== undefined && second !== undefined && first !== second;
}
