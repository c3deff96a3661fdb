import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { writeDurably } from '../../state/durable.ts';
import { FlickError } from '../../../protocol/index.ts';

/**
 * The little that Flick reads and changes in CRIU's images (https://criu.org/Images): credentials and the ids of tasks.
 * An image file is two little-endian u32 magics, then entries of `u32 length, protobuf message`. The numbers are those of
 * CRIU's published `images/core.proto`, `creds.proto` and `pstree.proto`.
 */
const headerBytes = 8;
/** TaskCoreEntry of a CoreEntry, its state, and the states of a task that has ended (TASK_DEAD, TASK_ZOMBIE). */
const coreTask = 3;
const taskState = 1;
const endedStates = [2, 6];
const coreThread = 5;
const threadCreds = 10;
const credsGroups = 14;
/** Inheritable, permitted and effective capabilities: two words each. */
const capabilityFields: readonly number[] = [9, 10, 11];
/** Numbers of uid, gid, euid, egid, suid, sgid, fsuid, fsgid in creds_entry. */
const userFields: readonly number[] = [1, 3, 5, 7];
const groupFields: readonly number[] = [2, 4, 6, 8];
const pstreePid = 1;
const pstreeGroup = 3;
const pstreeSession = 4;
const pstreeThreads = 5;

/** Largest image of this kind that is read, in bytes: a real one has a few kilobytes a task. */
const maxImage = 16 << 20;

/** Whether a dump gave names to files that had lost theirs: those lie beside the others then. */
export async function hasRemaps(folder: string): Promise<boolean> {
  const status = await stat(join(folder, 'remap-fpath.img')).catch(() => undefined);
  return (status?.size ?? 0) > headerBytes;
}

export interface ImageCredentials {
  readonly uids: ReadonlySet<number>;
  readonly gids: ReadonlySet<number>;
}

/**
 * Every user and group id that the tasks of a capsule would be given.
 * @throws {FlickError} `restoreFailed` when the images are not what CRIU writes
 */
export async function readCredentials(folder: string): Promise<ImageCredentials> {
  const uids = new Set<number>();
  const gids = new Set<number>();
  for (const name of await coreImages(folder)) {
    for (const entry of await readEntries(join(folder, name))) {
      if (hasEnded(entry, name)) continue;
      for (const field of fieldsOf(credentialsOf(entry, name), name)) {
        if (userFields.includes(field.number)) uids.add(Number(field.value));
        if (groupFields.includes(field.number)) gids.add(Number(field.value));
      }
    }
  }
  return { uids, gids };
}

/**
 * Takes from every task what a cell in a user namespace cannot give it: supplementary groups (setgroups(2) is denied there
 * for good, user_namespaces(7)) and capabilities, which the keeper gives no program of such a cell either. CRIU would fail
 * on them only after the process was handed over. The restored tasks have the rights of the receiving user and no others.
 */
export async function limitCredentials(folder: string): Promise<void> {
  for (const name of await coreImages(folder)) {
    const path = join(folder, name);
    const content = await readImage(path);
    const entries = splitEntries(content, path);
    const rewritten = entries.map((entry) =>
      rewriteField(entry, coreThread, (thread) =>
        rewriteField(thread, threadCreds, (creds) => limited(creds)),
      ),
    );
    await writeDurably(path, joinEntries(content.subarray(0, headerBytes), rewritten));
  }
}

/** All PIDs, TIDs, process groups and sessions that a restore will ask the kernel for. */
export async function readTaskIds(folder: string): Promise<ReadonlySet<number>> {
  const ids = new Set<number>();
  const wanted = [pstreePid, pstreeGroup, pstreeSession, pstreeThreads];
  for (const entry of await readEntries(join(folder, 'pstree.img'))) {
    for (const field of fieldsOf(entry, 'pstree.img')) {
      if (wanted.includes(field.number)) for (const id of numbersOf(field)) ids.add(id);
    }
  }
  return ids;
}

interface Field {
  readonly number: number;
  readonly wire: WireType;
  readonly value: number | Uint8Array;
}

async function coreImages(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /^core-\d+\.img$/.test(name));
  if (names.length === 0) throw damagedImage(folder);
  return names;
}

async function readImage(path: string): Promise<Buffer> {
  const file = await open(path, 'r').catch(() => {
    throw damagedImage(path);
  });
  try {
    const { size } = await file.stat();
    if (size > maxImage || size < headerBytes) throw damagedImage(path);
  } finally {
    await file.close();
  }
  return readFile(path);
}

async function readEntries(path: string): Promise<Buffer[]> {
  return splitEntries(await readImage(path), path);
}

function splitEntries(content: Buffer, path: string): Buffer[] {
  const entries: Buffer[] = [];
  let at = headerBytes;
  while (at < content.length) {
    if (at + 4 > content.length) throw damagedImage(path);
    const length = content.readUInt32LE(at);
    at += 4;
    if (at + length > content.length) throw damagedImage(path);
    entries.push(content.subarray(at, at + length));
    at += length;
  }
  return entries;
}

function joinEntries(header: Buffer, entries: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [header];
  for (const entry of entries) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(entry.length, 0);
    parts.push(length, entry);
  }
  return Buffer.concat(parts);
}

function fieldsOf(message: Uint8Array, path: string): Field[] {
  const fields: Field[] = [];
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      if (wire === WireType.Varint) {
        fields.push({ number, wire, value: Number(reader.uint64()) });
      } else if (wire === WireType.LengthDelimited) {
        fields.push({ number, wire, value: reader.bytes() });
      } else {
        reader.skip(wire, number);
      }
    }
  } catch (error) {
    throw damagedImage(path, error);
  }
  return fields;
}

/** A repeated number is written one by one or packed; both are legal protobuf. */
function numbersOf(field: Field): number[] {
  if (typeof field.value === 'number') return [field.value];
  const reader = new BinaryReader(field.value);
  const numbers: number[] = [];
  while (reader.pos < reader.len) numbers.push(reader.uint32());
  return numbers;
}

/** A child that has ended and waits for its parent: nothing of it runs after a restore, and it has no credentials. */
function hasEnded(core: Uint8Array, path: string): boolean {
  const task = fieldsOf(core, path).find((field) => field.number === coreTask)?.value;
  if (!(task instanceof Uint8Array)) return false;
  const state = fieldsOf(task, path).find((field) => field.number === taskState)?.value;
  return endedStates.includes(Number(state));
}

function credentialsOf(core: Uint8Array, path: string): Uint8Array {
  const thread = fieldsOf(core, path).find((field) => field.number === coreThread)?.value;
  if (!(thread instanceof Uint8Array)) throw damagedImage(path);
  const creds = fieldsOf(thread, path).find((field) => field.number === threadCreds)?.value;
  if (!(creds instanceof Uint8Array)) throw damagedImage(path);
  return creds;
}

/** Copies a message, passing one embedded message through `change`; everything else stays byte for byte. */
function rewriteField(
  message: Uint8Array,
  number: number,
  change: (inner: Uint8Array) => Uint8Array,
): Uint8Array {
  const reader = new BinaryReader(message);
  const parts: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wire] = reader.tag();
    if (field === number && wire === WireType.LengthDelimited) {
      const changed = change(reader.bytes());
      parts.push(new BinaryWriter().tag(field, wire).bytes(changed).finish());
    } else {
      reader.skip(wire, field);
      parts.push(message.subarray(start, reader.pos));
    }
  }
  return Buffer.concat(parts);
}

function limited(creds: Uint8Array): Uint8Array {
  const kept = withoutFields(creds, [credsGroups, ...capabilityFields]);
  const none = new BinaryWriter();
  for (const number of capabilityFields) {
    none.tag(number, WireType.Varint).uint32(0).tag(number, WireType.Varint).uint32(0);
  }
  return Buffer.concat([kept, none.finish()]);
}

function withoutFields(message: Uint8Array, numbers: readonly number[]): Uint8Array {
  const reader = new BinaryReader(message);
  const parts: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wire] = reader.tag();
    reader.skip(wire, field);
    if (!numbers.includes(field)) parts.push(message.subarray(start, reader.pos));
  }
  return Buffer.concat(parts);
}

export function damagedImage(path: string, cause?: unknown): FlickError {
  return new FlickError(
    'restoreFailed',
    `The image ${path} is damaged or was not written by CRIU.`,
    {
      remedy: 'Nothing was restored; the process goes on where it was.',
      cause,
    },
  );
}
