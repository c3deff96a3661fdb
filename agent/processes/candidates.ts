import { currentUser } from '../state/user.ts';
import { basename } from 'node:path';
import type { Candidate } from '../../protocol/index.ts';
import { printable, readArguments } from '../procfs/command.ts';
import { eachOf } from '../procfs/read.ts';
import {
  hasEnded,
  isKernelThread,
  readUptime,
  startTime,
  type ProcessStat,
} from '../procfs/stat.ts';
import { readStatus } from '../procfs/status.ts';
import { displayName, isHost, isInfrastructure, type ProgramFacts } from './hosts.ts';
import { listeningPorts, nodesOf, readProcessTable, readTree, treeRss } from './tree.ts';

const keeperComm = 'flick-keeper';

export interface CandidateOptions {
  /** Whose processes; the agent's user when absent. */
  readonly uid?: number;
  /** PIDs (as the agent sees them) of roots that Flick manages already. */
  readonly excluded?: Iterable<number>;
}

interface Known extends ProgramFacts {
  readonly stat: ProcessStat;
  /** Owned by the caller with all four of its user ids, and in the agent's own PID namespace. */
  readonly own: boolean;
  readonly host: boolean;
}

/**
 * Process trees of a user that could be adopted: those that listen on a port first, then the youngest. A root is a
 * process whose parent only hosts it (init, a shell that waits for commands, sshd, tmux, an editor's server, …) or that
 * leads a session of its own. Left out are the system and the desktop, kernel threads, the agent with what it started,
 * cells and containers.
 */
export async function listCandidates(options: CandidateOptions = {}): Promise<Candidate[]> {
  const uid = options.uid ?? currentUser().uid;
  const exclude = new Set(options.excluded ?? []);
  const table = await readProcessTable();
  const live = [...table.values()].filter((stat) => !isKernelThread(stat) && !hasEnded(stat));
  const depth = (await readStatus(process.pid))?.nsPids.length ?? 1;
  const known = new Map<number, Known>();
  await eachOf(live, async (stat) => {
    const status = await readStatus(stat.pid);
    const args = await readArguments(stat.pid);
    if (status === undefined || args === undefined) return;
    const program = { comm: stat.comm, args };
    known.set(stat.pid, {
      ...program,
      stat,
      own: status.uids.every((each) => each === uid) && status.nsPids.length <= depth,
      host: stat.pid === 1 || isHost(program),
    });
  });
  const lineOfAgent = new Set(ancestors(known, process.pid));
  const roots = [...known.values()].filter((each) => {
    if (!each.own || each.host || isInfrastructure(each) || each.args.length === 0) return false;
    if (lineOfAgent.has(each.stat.pid)) return false;
    const above = ancestors(known, each.stat.pid);
    const hidden = above.some(
      (pid) => pid === process.pid || exclude.has(pid) || known.get(pid)?.comm === keeperComm,
    );
    return !hidden && isRoot(each, known, lineOfAgent);
  });
  const uptime = await readUptime();
  const now = Date.now();
  const found = await eachOf(roots, async ({ stat, comm, args }) => {
    const tree = await readTree(stat.pid, table);
    if (tree === undefined) return undefined;
    const candidate: Candidate = {
      pid: stat.pid,
      name: printable(displayName({ comm, args })),
      command: tree.root.command,
      user: uid === currentUser().uid ? currentUser().name : String(uid),
      rssBytes: treeRss(tree),
      uptimeMs: Math.max(0, Math.round(now - startTime(stat.startTicks, uptime, now))),
      ports: await listeningPorts(tree),
      tree: nodesOf(tree).flatMap((node) => node.children),
    };
    return candidate;
  });
  return found
    .filter((each) => each !== undefined)
    .sort(
      (a, b) =>
        Number(b.ports.length > 0) - Number(a.ports.length > 0) ||
        a.uptimeMs - b.uptimeMs ||
        a.pid - b.pid,
    );
}

/** The PID itself and those above it. */
function ancestors(known: ReadonlyMap<number, Known>, pid: number): number[] {
  const line: number[] = [];
  for (let at = pid; at > 0 && !line.includes(at); at = known.get(at)?.stat.parent ?? 0) {
    line.push(at);
  }
  return line;
}

function isRoot(
  each: Known,
  known: ReadonlyMap<number, Known>,
  lineOfAgent: ReadonlySet<number>,
): boolean {
  const parent = known.get(each.stat.parent);
  if (parent === undefined || parent.host || !parent.own || lineOfAgent.has(parent.stat.pid)) {
    return true;
  }
  // Browsers and servers put their own workers into sessions: the same program again is no program of its own.
  return (
    each.stat.session === each.stat.pid &&
    basename(each.args[0] ?? '') !== basename(parent.args[0] ?? '')
  );
}
