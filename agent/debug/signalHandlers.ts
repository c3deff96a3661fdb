import { open, type FileHandle } from 'node:fs/promises';
import { readProc } from '../procfs/read.ts';

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
    const pending = [(await read(memory, root, 8)).readBigUInt64LE(0)];
    for (let seen = 0; pending.length > 0; seen += 1) {
      const node = pending.pop() ?? 0n;
      if (node === 0n) continue;
      if (seen > maxHandles) throw new Error('The tree of signals is too large.');
      const handle = await read(memory, node, handleBytes);
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

async function read(file: FileHandle, position: bigint, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  // The promise API takes no bigint position in its types; addresses stay below 2^53.
  const { bytesRead } = await file.read(buffer, 0, length, Number(position));
  if (bytesRead !== length) throw new Error('The memory ends there.');
  return buffer;
}

const offsets = new Map<string, bigint | undefined>();

/** Address of a variable of the program itself in the memory of the process. */
async function addressOf(pid: number, symbol: string): Promise<bigint | undefined> {
  const file = await open(`/proc/${pid}/exe`, 'r');
  try {
    const { dev, ino, mtimeMs } = await file.stat();
    const key = `${dev}:${ino}:${mtimeMs}:${symbol}`;
    if (!offsets.has(key)) offsets.set(key, await symbolValue(file, symbol));
    const value = offsets.get(key);
    if (value === undefined) return undefined;
    const isPositionIndependent = (await read(file, 16n, 2)).readUInt16LE(0) === 3;
    return isPositionIndependent ? value + (await loadAddress(pid, ino)) : value;
  } finally {
    await file.close();
  }
}

async function loadAddress(pid: number, inode: number): Promise<bigint> {
  for (const line of ((await readProc(`/proc/${pid}/maps`)) ?? '').split('\n')) {
    const match = /^([0-9a-f]+)-\S+ \S+ 00000000 \S+ (\d+) /.exec(line);
    if (match !== null && Number(match[2]) === inode) return BigInt(`0x${match[1] ?? '0'}`);
  }
  throw new Error('The program is not mapped.');
}

/** Value of a symbol in the symbol table of a 64-bit ELF file (elf(5)); compilers may append `.0` to a static one's name. */
async function symbolValue(file: FileHandle, symbol: string): Promise<bigint | undefined> {
  const header = await read(file, 0n, 64);
  const sections = await read(
    file,
    header.readBigUInt64LE(40),
    header.readUInt16LE(58) * header.readUInt16LE(60),
  );
  const entry = header.readUInt16LE(58);
  for (let at = 0; at < sections.length; at += entry) {
    if (sections.readUInt32LE(at + 4) !== 2) continue;
    const strings = sections.readUInt32LE(at + 40) * entry;
    const names = await sectionBytes(file, sections, strings);
    const wanted = new Set<number>();
    for (const suffix of ['\0', '.0\0']) {
      const found = names.indexOf(`${symbol}${suffix}`, 0, 'latin1');
      if (found >= 0) wanted.add(found);
    }
    if (wanted.size === 0) return undefined;
    const symbols = await sectionBytes(file, sections, at);
    for (let each = 0; each + 24 <= symbols.length; each += 24) {
      if (wanted.has(symbols.readUInt32LE(each))) return symbols.readBigUInt64LE(each + 8);
    }
  }
  return undefined;
}

/** More than the tables of any program hold, in bytes. */
const maxSection = 256 << 20;

async function sectionBytes(file: FileHandle, sections: Buffer, at: number): Promise<Buffer> {
  const size = Number(sections.readBigUInt64LE(at + 32));
  if (size > maxSection) throw new Error('A table of the program is too large.');
  return read(file, sections.readBigUInt64LE(at + 24), size);
}
