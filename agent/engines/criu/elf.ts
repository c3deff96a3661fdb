import { open, type FileHandle } from 'node:fs/promises';

/** PT_NOTE and NT_GNU_BUILD_ID of elf(5). */
const noteSegment = 4;
const buildIdNote = 3;
/** Notes longer than this are not looked through, in bytes; real ones have some hundred. */
const maxNotes = 64 << 10;

/** The build-id of a little-endian 64-bit ELF file, lower-case hex; undefined when it has none or is no such file. */
export async function readBuildId(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    return await buildIdOf(file);
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

async function buildIdOf(file: FileHandle): Promise<string | undefined> {
  const header = await readAt(file, 0, 64);
  const isElf64 = header.length === 64 && header.subarray(0, 6).equals(elf64LittleEndian);
  if (!isElf64) return undefined;
  const offset = Number(header.readBigUInt64LE(32));
  const entrySize = header.readUInt16LE(54);
  const count = header.readUInt16LE(56);
  if (entrySize < 56) return undefined;
  const table = await readAt(file, offset, entrySize * count);
  for (let at = 0; at + 56 <= table.length; at += entrySize) {
    if (table.readUInt32LE(at) !== noteSegment) continue;
    const start = Number(table.readBigUInt64LE(at + 8));
    const size = Math.min(Number(table.readBigUInt64LE(at + 32)), maxNotes);
    const found = findBuildId(await readAt(file, start, size));
    if (found !== undefined) return found;
  }
  return undefined;
}

const elf64LittleEndian = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);

function findBuildId(notes: Buffer): string | undefined {
  const aligned = (size: number): number => (size + 3) & ~3;
  for (let at = 0; at + 12 <= notes.length;) {
    const nameSize = notes.readUInt32LE(at);
    const valueSize = notes.readUInt32LE(at + 4);
    const value = at + 12 + aligned(nameSize);
    const isGnu = notes.subarray(at + 12, at + 12 + nameSize).toString('latin1') === 'GNU\0';
    if (isGnu && notes.readUInt32LE(at + 8) === buildIdNote && valueSize <= 64) {
      return notes.subarray(value, value + valueSize).toString('hex') || undefined;
    }
    at = value + aligned(valueSize);
  }
  return undefined;
}

async function readAt(file: FileHandle, position: number, size: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.min(size, 1 << 20));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
  return buffer.subarray(0, bytesRead);
}
