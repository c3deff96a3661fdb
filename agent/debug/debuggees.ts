import { basename } from 'node:path';
import type { Debuggee } from '../../protocol/index.ts';
import { readProcLink } from '../procfs/read.ts';
import { readStatus } from '../procfs/status.ts';
import { readTree } from '../processes/tree.ts';

/** The Node.js processes of a tree, parents first. */
export async function findDebuggees(rootPid: number): Promise<Debuggee[]> {
  const tree = await readTree(rootPid);
  const found: Debuggee[] = [];
  for (const { pid, command, state } of tree?.processes ?? []) {
    if (state === 'Z' || !(await isNode(pid))) continue;
    const status = await readStatus(pid);
    const innerPid = status?.nsPids.at(-1);
    if (innerPid !== undefined) found.push({ pid, innerPid, command: command.slice(0, 4096) });
  }
  return found;
}

/** Distributions call it `node` or `nodejs`; a program that was replaced while it runs is `… (deleted)`. */
async function isNode(pid: number): Promise<boolean> {
  const path = await readProcLink(`/proc/${pid}/exe`);
  return path !== undefined && /^node(js)?(-?[\d.]+)?( \(deleted\))?$/.test(basename(path));
}
