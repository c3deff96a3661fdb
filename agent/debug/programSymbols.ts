import { open, type FileHandle } from 'node:fs/promises';
import { readProc } from '../procfs/read.ts';

/** @throws {Error} when there is less */
export async function readAt(file: FileHandle, position: bigint, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  // The promise API takes no bigint position in its types; addresses stay below 2^53.
  const { bytesRead } = await file.read(buffer, 0, length, Number(position));
  if (bytesRead !== length) throw new Error('The memory ends there.');
  return buffer;
}

const offsets = new Map<string, bigint | undefined>();

/** Address of a variable of the program itself in the memory of the process. */
export async function addressOf(pid: number, symbol: string): Promise<bigint | undefined> {
  const file = await open(`/proc/${pid}/exe`, 'r');
  try {
    const { dev, ino, mtimeMs } = await file.stat();
    const key = `${dev}:${ino}:${mtimeMs}:${symbol}`;
    if (!offsets.has(key)) offsets.set(key, await symbolValue(file, symbol));
    const value = offsets.get(key);
    if (value === undefined) return undefined;
    const isPositionIndependent = (await readAt(file, 16n, 2)).readUInt16LE(0) === 3;
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
  const header = await readAt(file, 0n, 64);
  const sections = await readAt(
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
  return readAt(file, sections.readBigUInt64LE(at + 24), size);
}
