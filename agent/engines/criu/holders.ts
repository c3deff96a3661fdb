import { printable, readArguments } from '../../procfs/command.ts';
import { readDescriptors } from '../../procfs/descriptors.ts';
import { eachOf, readPids } from '../../procfs/read.ts';
import { readStat } from '../../procfs/stat.ts';
import { programName } from '../../processes/hosts.ts';
import type { NamedProcess } from './factsSchema.ts';

const maxName = 256;

export interface Holder {
  readonly process: NamedProcess;
  readonly fds: readonly number[];
}

/**
 * Who outside a tree holds the given descriptors' targets (`pipe:[N]`, `socket:[N]`, a pty). Walks all descriptors of the
 * device that the caller may see, so it is asked only when something's other end is missing.
 */
export async function findHolders(
  targets: ReadonlySet<string>,
  tree: ReadonlySet<number>,
): Promise<ReadonlyMap<string, readonly Holder[]>> {
  const holders = new Map<string, Holder[]>();
  if (targets.size === 0) return holders;
  const others = (await readPids()).filter((pid) => !tree.has(pid));
  await eachOf(others, async (pid) => {
    const held = new Map<string, number[]>();
    for (const { fd, target } of (await readDescriptors(pid)) ?? []) {
      if (targets.has(target)) held.set(target, [...(held.get(target) ?? []), fd]);
    }
    if (held.size === 0) return;
    const process = await nameProcess(pid);
    for (const [target, fds] of held) {
      holders.set(target, [...(holders.get(target) ?? []), { process, fds }]);
    }
  });
  return holders;
}

/** A process for a sentence; `process` when it is gone already. */
export async function nameProcess(pid: number): Promise<NamedProcess> {
  const stat = await readStat(pid);
  const args = await readArguments(pid);
  return { pid, name: stat === undefined ? 'process' : shownName(args ?? [], stat.comm) };
}

/** The name of the program rather than its comm, which Node.js for one sets to `MainThread`. */
export function shownName(args: readonly string[], comm: string): string {
  return printable(programName({ args, comm })).slice(0, maxName) || 'process';
}
