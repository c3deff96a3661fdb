import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BlockStore } from '../../../agent/capsules/blockStore.ts';
import { blocksOf, type CapsuleManifest } from '../../../agent/capsules/capsuleManifest.ts';
import type { CapsuleStore } from '../../../agent/capsules/capsuleStore.ts';
import { readContent, storeFile } from '../../../agent/capsules/contentFile.ts';
import { sha } from '../files/support.ts';

export const plenty = 1e12;

/** Content that does not compress, the same for the same words. */
export function noise(label: string, bytes: number): Buffer {
  const parts: Buffer[] = [];
  for (let made = 0, number = 0; made < bytes; made += 32, number += 1) {
    parts.push(Buffer.from(sha(`${label} ${String(number)}`), 'hex'));
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

/** A block store in a folder of its own. */
export async function openBlocks(folder: string, limit = plenty): Promise<BlockStore> {
  const temporary = join(folder, 'temporary');
  await mkdir(temporary, { recursive: true });
  return BlockStore.open(folder, temporary, limit);
}

/** Saves a capsule with one file and one image, as the recorder does. @returns its manifest */
export async function addCapsule(
  store: CapsuleStore,
  folder: string,
  id: string,
  content: { readonly file: Buffer; readonly image: Buffer },
  changes: Partial<CapsuleManifest> = {},
): Promise<CapsuleManifest> {
  const held: string[] = [];
  const stored = async (name: string, data: Buffer): ReturnType<typeof storeFile> => {
    const path = join(folder, `${id}-${name}`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, data);
    const options = { signal: new AbortController().signal, onProgress: () => undefined };
    return storeFile(path, store.blocks, held, options);
  };
  const sha256 = sha(content.file);
  const manifest: CapsuleManifest = {
    version: 1,
    id,
    name: `capsule ${id}`,
    savedAt: 1_700_000_000_000,
    device: { deviceId: 'd-0123456789abcdef', hostName: 'alpha' },
    parent: null,
    pauseMs: 12,
    process: {
      id: 'p-0123456789',
      name: 'web',
      command: ['node', 'server.js'],
      cwd: '/srv/web',
      origin: 'launched',
      hasTerminal: true,
      terminal: { columns: 80, rows: 24 },
      home: { deviceId: 'd-0123456789abcdef', hostName: 'alpha', user: 'root' },
      carry: [],
      startedAt: 1_600_000_000_000,
      moves: 0,
      shellJob: false,
      terminalIndex: 0,
    },
    facts: { engine: 'criu', document: { any: 'thing' } },
    senderUid: 0,
    userNamespace: false,
    entries: [
      {
        kind: 'file',
        path: '/srv/web/server.js',
        role: 'open',
        mode: 0o644,
        mtimeMs: 1_600_000_000_000,
        size: content.file.length,
        sha256,
      },
    ],
    contents: { [sha256]: await stored('file', content.file) },
    scrollback: { base: 0, content: await stored('scrollback', Buffer.from('hello\r\n')) },
    images: {
      root: 2,
      terminalKeys: [],
      keepConnections: false,
      files: [{ name: 'pages-1.img', content: await stored('image', content.image) }],
    },
    ...changes,
  };
  await store.add(manifest);
  await store.blocks.release(held);
  return manifest;
}

/** All content of a capsule, every block of it verified. */
export async function readAll(store: CapsuleStore, manifest: CapsuleManifest): Promise<Buffer> {
  const all = [
    ...Object.values(manifest.contents),
    manifest.scrollback.content,
    ...manifest.images.files.map((each) => each.content),
  ];
  const parts: Buffer[] = [];
  for (const content of all) {
    for await (const data of readContent(content, store.blocks)) parts.push(data);
  }
  return Buffer.concat(parts);
}

/** The digests of the blocks that are on the disk. */
export async function blocksOnDisk(capsules: string): Promise<string[]> {
  const entries = await readdir(join(capsules, 'blocks'), { recursive: true, withFileTypes: true });
  return entries
    .filter((each) => !each.isDirectory())
    .map((each) => each.name)
    .sort();
}

export function neededBlocks(manifests: readonly CapsuleManifest[]): string[] {
  return [...new Set(manifests.flatMap((each) => [...blocksOf(each)]))].sort();
}

export async function isEmpty(folder: string): Promise<boolean> {
  return (await readdir(folder)).length === 0;
}
