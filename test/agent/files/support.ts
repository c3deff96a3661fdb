import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Duplex, PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { FrameStream } from '../../../common/frames.ts';
import type { Entry, FileEntry } from '../../../agent/files/manifest.ts';

export const run = promisify(execFile);
export const isRoot = process.getuid?.() === 0;

/** A directory for one test, with real path; `discard` removes it. */
export async function scratch(): Promise<{ root: string; discard: () => Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'flick-files-'));
  await chmod(root, 0o755);
  return { root, discard: () => rm(root, { recursive: true, force: true }) };
}

export async function put(path: string, content: string | Buffer, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await chmod(path, mode);
}

export function sha(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export function fileOf(
  path: string,
  content: string | Buffer,
  more: Partial<FileEntry> = {},
): FileEntry {
  return {
    kind: 'file',
    path,
    role: 'carried',
    mode: 0o644,
    mtimeMs: 1_700_000_000_000,
    size: Buffer.byteLength(content),
    sha256: sha(content),
    ...more,
  };
}

export function folderOf(path: string, mode = 0o755): Entry & { kind: 'directory' } {
  return { kind: 'directory', path, role: 'carried', mode, mtimeMs: 1_700_000_000_000 };
}

/** The two ends of one stream. */
export function framePair(): [FrameStream, FrameStream] {
  const [there, back] = [new PassThrough(), new PassThrough()];
  return [
    new FrameStream(Duplex.from({ readable: back, writable: there })),
    new FrameStream(Duplex.from({ readable: there, writable: back })),
  ];
}

/** Every path below a directory with its content (or kind), sorted. */
export async function listing(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const each of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(each.parentPath, each.name);
    const kind = each.isFile() ? await readFile(path, 'utf8') : each.isDirectory() ? '/' : '?';
    found[path.slice(root.length)] = kind;
  }
  return found;
}
