import { open, type FileHandle } from 'node:fs/promises';
import { readProc } from '../procfs/read.ts';

/** How Node.js keeps the address of its inspector: a std::string with the host in place, and the port behind it. */
const host = '127.0.0.1';
/** Length and text as they lie in memory behind the pointer. */
const text = Buffer.concat([
  Buffer.from([host.length, 0, 0, 0, 0, 0, 0, 0]),
  Buffer.from(`${host}\0`),
]);
const recordBytes = 34;
const portAt = 32;
/** Memory is looked through in pieces of this size, in bytes. */
const piece = 4 << 20;
/** More writable memory than this is not looked through, in bytes. */
const maxMemory = 512 << 20;

/**
 * Makes the inspector of a process choose a free port when it is opened next, for when its own is taken: the number is
 * changed in the memory of the process. The place is recognised by a string that points at itself; anything else is
 * left alone.
 * @returns what puts the number back; undefined when the place was not found
 */
export async function freeDebugPort(
  pid: number,
  port: number,
): Promise<(() => Promise<void>) | undefined> {
  const memory = await open(`/proc/${pid}/mem`, 'r+').catch(() => undefined);
  if (memory === undefined) return undefined;
  const places = await find(pid, memory, port).catch(() => []);
  if (places.length === 0) {
    await memory.close();
    return undefined;
  }
  await writePort(memory, places, 0);
  return async () => {
    await writePort(memory, places, port).catch(() => undefined);
    await memory.close();
  };
}

async function find(pid: number, memory: FileHandle, port: number): Promise<number[]> {
  const places: number[] = [];
  let left = maxMemory;
  for (const { start, end } of await writableRanges(pid)) {
    for (let at = start; at < end && left > 0; at += piece - recordBytes) {
      const buffer = Buffer.alloc(Math.min(piece, end - at));
      const { bytesRead } = await memory
        .read(buffer, 0, buffer.length, at)
        .catch(() => ({ bytesRead: 0 }));
      left -= bytesRead;
      const bytes = buffer.subarray(0, bytesRead);
      for (let hit = bytes.indexOf(text); hit >= 0; hit = bytes.indexOf(text, hit + 1)) {
        const record = hit - 8;
        if (record < 0 || record + recordBytes > bytes.length) continue;
        const found = isHost(bytes.subarray(record, record + recordBytes), at + record);
        if (found && bytes.readUInt16LE(record + portAt) === port) places.push(at + record);
      }
    }
  }
  return [...new Set(places)];
}

/** Looks again right before each write: what lay on a stack may be something else by now. */
async function writePort(
  memory: FileHandle,
  places: readonly number[],
  port: number,
): Promise<void> {
  const value = Buffer.alloc(2);
  value.writeUInt16LE(port, 0);
  const record = Buffer.alloc(recordBytes);
  for (const place of places) {
    const { bytesRead } = await memory.read(record, 0, recordBytes, place);
    if (bytesRead === recordBytes && isHost(record, place)) {
      await memory.write(value, 0, 2, place + portAt);
    }
  }
}

/** A std::string with the host in itself: its first word points at its own text. */
function isHost(record: Buffer, place: number): boolean {
  return (
    record.readBigUInt64LE(0) === BigInt(place + 16) &&
    record.subarray(8, 8 + text.length).equals(text)
  );
}

/** Heap and anonymous memory. */
async function writableRanges(pid: number): Promise<{ start: number; end: number }[]> {
  const ranges: { start: number; end: number }[] = [];
  for (const line of ((await readProc(`/proc/${pid}/maps`)) ?? '').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0 *(\[heap\])?$/.exec(line);
    if (match === null) continue;
    ranges.push({
      start: Number.parseInt(match[1] ?? '0', 16),
      end: Number.parseInt(match[2] ?? '0', 16),
    });
  }
  return ranges;
}
