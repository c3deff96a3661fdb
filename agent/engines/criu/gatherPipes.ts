import { constants } from 'node:fs';
import { readDescriptorInfo } from '../../procfs/descriptors.ts';
import type { NamedProcess, OutsidePipe, Terminal } from './factsSchema.ts';
import type { HeldInode, HeldTerminal } from './gatherDescriptors.ts';
import { findHolders, type Holder } from './holders.ts';

const maxDescriptors = 1000;
const maxHolders = 16;

/**
 * Pipes of which the tree holds one end only, while somebody else holds the other. A pipe whose other end is closed for
 * good comes back as it was and is left out, except where the caller cannot see everybody's descriptors.
 */
export async function gatherPipes(
  held: readonly HeldInode[],
  tree: ReadonlySet<number>,
  seesAll: boolean,
): Promise<OutsidePipe[]> {
  const pipes = new Map<string, HeldInode[]>();
  for (const each of held) pipes.set(each.inode, [...(pipes.get(each.inode) ?? []), each]);
  const halves = [...pipes.entries()].filter(([, ends]) => endsOf(ends) !== 'both');
  const holders = await findHolders(new Set(halves.map(([inode]) => `pipe:[${inode}]`)), tree);
  const pipesOutside: OutsidePipe[] = [];
  for (const [inode, ends] of halves) {
    const outside: NamedProcess[] = [];
    for (const holder of holders.get(`pipe:[${inode}]`) ?? []) {
      if (await holdsOtherEnd(holder, endsOf(ends))) outside.push(holder.process);
    }
    const first = ends[0];
    if (first === undefined || (outside.length === 0 && seesAll)) continue;
    pipesOutside.push({
      pid: first.pid,
      fds: ends
        .filter((each) => each.pid === first.pid)
        .map((each) => each.fd)
        .slice(0, maxDescriptors),
      inode,
      end: endsOf(ends),
      holders: outside.slice(0, maxHolders),
    });
  }
  return pipesOutside;
}

/** Whoever has the same end as the tree merely shares it, as a shell does with what it started. */
async function holdsOtherEnd(holder: Holder, end: OutsidePipe['end']): Promise<boolean> {
  for (const fd of holder.fds) {
    const info = await readDescriptorInfo(holder.process.pid, fd);
    const access = (info?.flags ?? 0) & (constants.O_WRONLY | constants.O_RDWR);
    if (info !== undefined && (end === 'writes') === (access !== constants.O_WRONLY)) return true;
  }
  return false;
}

function endsOf(held: readonly HeldInode[]): OutsidePipe['end'] {
  const modes = new Set(held.map((each) => each.flags & (constants.O_WRONLY | constants.O_RDWR)));
  const reads = modes.has(constants.O_RDONLY) || modes.has(constants.O_RDWR);
  const writes = modes.has(constants.O_WRONLY) || modes.has(constants.O_RDWR);
  if (reads && writes) return 'both';
  return writes ? 'writes' : 'reads';
}

/** Terminals of the tree, each once a process. */
export function groupTerminals(held: readonly HeldTerminal[]): Terminal[] {
  const masters = new Set(held.filter((each) => each.role === 'master').map((each) => each.index));
  const slaves = new Set(held.filter((each) => each.role === 'slave').map((each) => each.index));
  const groups = new Map<string, Terminal>();
  for (const each of held) {
    const group = `${each.pid} ${each.key} ${each.index}`;
    const known = groups.get(group);
    if (known !== undefined) {
      if (known.fds.length < maxDescriptors) known.fds.push(each.fd);
      continue;
    }
    const inside =
      each.index >= 0 &&
      (each.role === 'master' ? slaves.has(each.index) : masters.has(each.index));
    groups.set(group, {
      pid: each.pid,
      fds: [each.fd],
      path: each.path,
      key: each.key,
      role: each.role,
      inside,
    });
  }
  return [...groups.values()];
}
