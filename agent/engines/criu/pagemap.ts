import { open, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { FlickError } from '../../../protocol/index.ts';
import { writeFully } from '../../files/layerWriter.ts';
import { chunkBytes, pageBytes, type PageRun } from '../../memory/chunks.ts';
import type { MemoryImage } from '../../memory/memoryImage.ts';
import { writeFailure } from '../../state/durable.ts';
import { damagedImage } from './images.ts';

/**
 * CRIU's pagemaps (https://criu.org/Memory_images): `pagemap-PID.img` says which pages of a task are dumped, and
 * `pages-ID.img` holds the contents of those that are present. A lazy dump marks the others and leaves them where they are.
 * Numbers are those of CRIU's `images/pagemap.proto` and `include/image.h`.
 */
const headerBytes = 8;
const headPagesId = 1;
const entryAddress = 1;
const entryCompatiblePages = 2;
const entryFlags = 4;
const entryPages = 5;
const isLazy = 2;
const isPresent = 4;
/** Of `images/mm.proto` and `images/vma.proto`. */
const mmMappings = 14;
const mappingStart = 1;
const mappingEnd = 2;
const mappingAdvice = 9;
/** CRIU keeps advice as a bit set by number: MADV_WIPEONFORK is 18 (madvise(2), asm-generic/mman-common.h). */
const wipeOnFork = 1n << 18n;
/** Largest pagemap that is read, in bytes: millions of runs. */
const maxPagemap = 256 << 20;

interface Pagemap {
  readonly path: string;
  readonly task: number;
  readonly pagesId: number;
  readonly header: Buffer;
  readonly head: Uint8Array;
  readonly entries: readonly {
    readonly address: number;
    readonly pages: number;
    readonly flags: number;
  }[];
}

/** What a dump left in the process. */
export interface LeftOut {
  /** Every task that has memory, with or without such pages. */
  readonly tasks: readonly number[];
  readonly pages: readonly PageRun[];
  /** Ranges of addresses, first and end, that a fork does not inherit (MADV_WIPEONFORK, madvise(2)). */
  readonly wiped: readonly {
    readonly task: number;
    readonly start: number;
    readonly end: number;
  }[];
}

/** @throws {FlickError} `restoreFailed` when an image is damaged */
export async function readLeftOut(folder: string): Promise<LeftOut> {
  const pages: PageRun[] = [];
  const wiped: { task: number; start: number; end: number }[] = [];
  const pagemaps = await readPagemaps(folder);
  for (const { task, entries } of pagemaps) {
    for (const { address, pages: count, flags } of entries) {
      if ((flags & (isLazy | isPresent)) === isLazy) pages.push({ task, address, pages: count });
    }
    for (const range of await readWiped(join(folder, `mm-${task}.img`))) {
      wiped.push({ task, ...range });
    }
  }
  return { tasks: pagemaps.map((each) => each.task), pages, wiped };
}

/** The mappings of `mm-PID.img` that a fork does not inherit. */
async function readWiped(path: string): Promise<{ start: number; end: number }[]> {
  const content = await readFile(path).catch(() => Buffer.alloc(0));
  if (content.length < headerBytes + 4) throw damagedImage(path);
  const ranges: { start: number; end: number }[] = [];
  try {
    const reader = new BinaryReader(content.subarray(headerBytes + 4));
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      if (field !== mmMappings) {
        reader.skip(wire, field);
        continue;
      }
      const mapping = numbersIn(reader.bytes());
      const advice = BigInt(mapping.get(mappingAdvice) ?? 0);
      if ((advice & wipeOnFork) === 0n) continue;
      ranges.push({ start: mapping.get(mappingStart) ?? 0, end: mapping.get(mappingEnd) ?? 0 });
    }
  } catch (error) {
    throw error instanceof FlickError ? error : damagedImage(path, error);
  }
  return ranges;
}

/** Puts the pages that a dump left out into its images, for a restore that takes all of them from there. */
export async function putPagesIn(folder: string, memory: MemoryImage): Promise<void> {
  for (const pagemap of await readPagemaps(folder)) {
    if (!pagemap.entries.some(({ flags }) => (flags & isPresent) === 0)) continue;
    const pagesPath = join(folder, `pages-${pagemap.pagesId}.img`);
    const assembled = `${pagesPath}.all`;
    await assemble(pagemap, pagesPath, assembled, memory);
    await rename(assembled, pagesPath);
    await writeFile(pagemap.path, encode(pagemap), { mode: 0o600 });
  }
}

async function assemble(
  pagemap: Pagemap,
  from: string,
  to: string,
  memory: MemoryImage,
): Promise<void> {
  const source = await open(from, 'r');
  const target = await open(to, 'wx', 0o600);
  const chunk = Buffer.allocUnsafe(chunkBytes);
  let taken = 0;
  let written = 0;
  const put = async (bytes: Buffer): Promise<void> => {
    try {
      await writeFully(target, bytes, written);
    } catch (error) {
      throw writeFailure(to, error);
    }
    written += bytes.length;
  };
  try {
    for (const { address, pages, flags } of pagemap.entries) {
      for (let done = 0; done < pages * pageBytes;) {
        const left = pages * pageBytes - done;
        if ((flags & isPresent) !== 0) {
          const length = Math.min(left, chunkBytes);
          const { bytesRead } = await source.read(chunk, 0, length, taken);
          if (bytesRead !== length) throw damagedImage(from);
          await put(chunk.subarray(0, length));
          taken += length;
          done += length;
        } else {
          const at = address + done;
          const index = Math.floor(at / chunkBytes);
          const start = at - index * chunkBytes;
          const length = Math.min(left, chunkBytes - start);
          await memory.read(memory.numberOf(pagemap.task, index), chunk);
          await put(chunk.subarray(start, start + length));
          done += length;
        }
      }
    }
  } finally {
    await source.close();
    await target.close();
  }
}

function encode({ header, head, entries }: Pagemap): Buffer {
  const parts: Uint8Array[] = [header, framed(head)];
  for (const { address, pages, flags } of entries) {
    const message = new BinaryWriter()
      .uint32((entryAddress << 3) | 0)
      .uint64(address)
      .uint32((entryCompatiblePages << 3) | 0)
      .uint32(pages)
      .uint32((entryFlags << 3) | 0)
      .uint32(flags | isPresent)
      .uint32((entryPages << 3) | 0)
      .uint64(pages)
      .finish();
    parts.push(framed(message));
  }
  return Buffer.concat(parts);
}

function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(message.length, 0);
  return Buffer.concat([length, message]);
}

async function readPagemaps(folder: string): Promise<Pagemap[]> {
  const pagemaps: Pagemap[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const task = /^pagemap-(\d{1,10})\.img$/.exec(name)?.[1];
    if (task !== undefined) pagemaps.push(await readPagemap(join(folder, name), Number(task)));
  }
  return pagemaps;
}

async function readPagemap(path: string, task: number): Promise<Pagemap> {
  const content = await readFile(path);
  if (content.length > maxPagemap || content.length < headerBytes) throw damagedImage(path);
  const messages: Buffer[] = [];
  for (let at = headerBytes; at < content.length;) {
    if (at + 4 > content.length) throw damagedImage(path);
    const length = content.readUInt32LE(at);
    if (at + 4 + length > content.length) throw damagedImage(path);
    messages.push(content.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  const [head, ...rest] = messages;
  if (head === undefined) throw damagedImage(path);
  try {
    const pagesId = numbersIn(head).get(headPagesId);
    if (pagesId === undefined) throw damagedImage(path);
    const entries = rest.map((message) => {
      const fields = numbersIn(message);
      const address = fields.get(entryAddress) ?? 0;
      const pages = fields.get(entryPages) ?? fields.get(entryCompatiblePages) ?? 0;
      const valid =
        address % pageBytes === 0 && address + pages * pageBytes <= Number.MAX_SAFE_INTEGER;
      if (!valid) throw damagedImage(path);
      return { address, pages, flags: fields.get(entryFlags) ?? isPresent };
    });
    return { path, task, pagesId, header: content.subarray(0, headerBytes), head, entries };
  } catch (error) {
    throw error instanceof FlickError ? error : damagedImage(path, error);
  }
}

/** The numbers of a message, by field. */
function numbersIn(message: Uint8Array): Map<number, number> {
  const reader = new BinaryReader(message);
  const numbers = new Map<number, number>();
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire === 0) numbers.set(field, Number(reader.uint64()));
    else reader.skip(wire, field);
  }
  return numbers;
}
