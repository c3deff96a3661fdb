import { open } from 'node:fs/promises';
import { readProc } from '../procfs/read.ts';
import { addressOf, readAt } from './programSymbols.ts';

/** Who gets SIGUSR1 in a process. `node`: Node.js itself, which opens its inspector. */
export type Usr1Handler = 'node' | 'program' | 'nobody' | 'unknown';

const sigUsr1 = 10;
/** libuv's table of the signals that a program listens to: the root of a red-black tree of uv_signal_t. */
const treeSymbol = 'uv__signal_tree';
/** Offsets in uv_signal_t on 64-bit systems (libuv 1.x, include/uv.h and uv/unix.h). */
const signumAt = 104;
const leftAt = 112;
const rightAt = 120;
const handleBytes = 128;
/** More listeners than any program has: a tree that is larger is none. */
const maxHandles = 256;

/**
 * Who would get SIGUSR1. A program may listen to it itself (`process.on('SIGUSR1')`), and then it must not be sent. The
 * kernel tells only that the signal is caught; whom Node.js gives it to is in libuv's table in the process's memory.
 * `unknown` where the program's symbols were stripped.
 */
export async function usr1Handler(pid: number): Promise<Usr1Handler> {
  const status = (await readProc(`/proc/${pid}/status`)) ?? '';
  const caught = /^SigCgt:\s+([0-9a-f]+)$/m.exec(status)?.[1];
  if (caught === undefined) return 'unknown';
  if ((BigInt(`0x${caught}`) & (1n << BigInt(sigUsr1 - 1))) === 0n) return 'nobody';
  try {
    const root = await addressOf(pid, treeSymbol);
    if (root === undefined) return 'unknown';
    return (await listens(pid, root)) ? 'program' : 'node';
  } catch {
    return 'unknown';
  }
}

/** Walks the tree in the memory of the process. @throws when it does not look like one */
async function listens(pid: number, root: bigint): Promise<boolean> {
  const memory = await open(`/proc/${pid}/mem`, 'r');
  try {
    const pending = [(await readAt(memory, root, 8)).readBigUInt64LE(0)];
    for (let seen = 0; pending.length > 0; seen += 1) {
      const node = pending.pop() ?? 0n;
      if (node === 0n) continue;
      if (seen > maxHandles) throw new Error('The tree of signals is too large.');
      const handle = await readAt(memory, node, handleBytes);
      const signum = handle.readInt32LE(signumAt);
      if (signum < 1 || signum > 64) throw new Error('There is no tree of signals.');
      if (signum === sigUsr1) return true;
      pending.push(handle.readBigUInt64LE(leftAt), handle.readBigUInt64LE(rightAt));
    }
    return false;
  } finally {
    await memory.close();
  }
}
