import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { mapFileName, readMaps, unescapeMapName, type Mapping } from '../../procfs/maps.ts';
import { eachOf, readProc, readProcLink } from '../../procfs/read.ts';
import type { TreeProcess } from '../../processes/tree.ts';
import { readBuildId } from './elf.ts';
import type { MappedFile, UnsupportedObject } from './factsSchema.ts';
import { describeDevice, describeObject, withoutMark } from './gatherDescriptors.ts';

export interface MemoryFacts {
  readonly readable: boolean;
  readonly mappedFiles: MappedFile[];
  readonly unsupported: UnsupportedObject[];
  readonly bytes: number;
}

interface MappedObject {
  readonly pid: number;
  readonly mapping: Mapping;
  executable: boolean;
  sharedWritable: boolean;
}

const maxPath = 4096;

/** Names of mappings that have no file behind them, or one that CRIU puts into its images. */
const withoutFile =
  /^(\[.*\]|\/memfd:.*|\/SYSV[0-9a-f]{8}.*|\/dev\/zero.*|\/anon_hugepage.*|anon_inode:\[perf_event\].*)$/;

/**
 * Looks at what the processes of a tree have mapped. Files are listed once, however many map them.
 * @param filesOnly neither counts the pages, which takes the longer the more there are, nor looks into the files
 */
export async function gatherMemory(
  processes: readonly TreeProcess[],
  filesOnly = false,
): Promise<{
  readonly perProcess: ReadonlyMap<number, MemoryFacts>;
  readonly mappedFiles: MappedFile[];
}> {
  const perProcess = new Map<number, MemoryFacts>();
  const files = new Map<string, MappedFile>();
  await eachOf(processes, async ({ pid }) => {
    const facts = await gatherOne(pid, filesOnly);
    perProcess.set(pid, facts);
    for (const file of facts.mappedFiles) {
      const key = `${file.path}\0${file.deleted ? pid : ''}`;
      const known = files.get(key);
      files.set(key, known === undefined ? file : merged(known, file));
    }
  });
  if (filesOnly) return { perProcess, mappedFiles: [...files.values()] };
  const mappedFiles = await eachOf([...files.values()], async (file) => {
    const pid = file.pids[0];
    if (pid === undefined || file.deleted) return file;
    const buildId = await readBuildId(`/proc/${pid}/root${file.path}`);
    return buildId === undefined ? file : { ...file, buildId };
  });
  return { perProcess, mappedFiles };
}

async function gatherOne(pid: number, filesOnly: boolean): Promise<MemoryFacts> {
  const mappings = await readMaps(pid);
  const facts: MemoryFacts = {
    readable: mappings !== undefined,
    mappedFiles: [],
    unsupported: [],
    bytes: filesOnly ? 0 : await memoryBytes(pid),
  };
  const objects = new Map<string, MappedObject>();
  const reported = new Set<string>();
  for (const mapping of mappings ?? []) {
    const problem = unsupportedMapping(mapping);
    if (problem !== undefined && !reported.has(problem.what)) {
      reported.add(problem.what);
      facts.unsupported.push({ pid, fd: null, ...problem });
    }
    if (problem !== undefined || mapping.inode === '0' || withoutFile.test(mapping.name)) continue;
    const key = `${mapping.device} ${mapping.inode} ${mapping.name}`;
    const known = objects.get(key) ?? { pid, mapping, executable: false, sharedWritable: false };
    known.executable ||= mapping.executable;
    known.sharedWritable ||= mapping.shared && mapping.writable;
    objects.set(key, known);
  }
  for (const object of objects.values()) {
    const described = await describeMapped(object);
    if (described === undefined) continue;
    if ('cause' in described) facts.unsupported.push(described);
    else facts.mappedFiles.push(described);
  }
  return facts;
}

/** Mappings that CRIU refuses whatever lies behind them. */
function unsupportedMapping(
  mapping: Mapping,
): { what: string; cause: UnsupportedObject['cause'] } | undefined {
  const { name } = mapping;
  if (name.startsWith('anon_inode:[io_uring]')) return { what: 'an io_uring', cause: 'ioUring' };
  if (/^\/SYSV[0-9a-f]{8}/.test(name)) {
    return { what: 'System V shared memory', cause: 'unsupportedObject' };
  }
  if (/^\/secretmem|^\/dmabuf:|^anon_inode:/.test(name)) {
    return { what: describeObject(name), cause: 'unsupportedObject' };
  }
  return undefined;
}

async function describeMapped(
  object: MappedObject,
): Promise<MappedFile | UnsupportedObject | undefined> {
  const { pid, mapping } = object;
  const found = await locate(pid, mapping);
  const target = found.target;
  if (found.stats?.isCharacterDevice() === true || found.stats?.isBlockDevice() === true) {
    // /dev/zero and its like are memory; other devices are hardware.
    if (found.stats.rdev >> 8 === 1) return undefined;
    return { pid, fd: null, what: `memory of ${describeDevice(target)}`, cause: 'device' };
  }
  const { stats } = found;
  const { path, deleted } =
    stats === undefined
      ? { path: target.replace(/ \(deleted\)$/, ''), deleted: target.endsWith(' (deleted)') }
      : await withoutMark(pid, target, stats);
  return {
    path: path.slice(0, maxPath),
    size: stats?.size ?? 0,
    mode: stats?.mode ?? 0,
    mtimeMs: stats?.mtimeMs ?? 0,
    deleted,
    executable: object.executable,
    sharedWritable: object.sharedWritable,
    pids: [pid],
  };
}

/**
 * The file behind a mapping. /proc/PID/map_files names it exactly, but is for root only; without it the path is taken
 * from `maps` and believed when it leads to the inode that is mapped.
 */
async function locate(
  pid: number,
  mapping: Mapping,
): Promise<{ readonly target: string; readonly stats: Stats | undefined }> {
  const link = `/proc/${pid}/map_files/${mapFileName(mapping)}`;
  const exact = await readProcLink(link);
  if (exact !== undefined) {
    const stats = await stat(link).catch(() => undefined);
    if (stats !== undefined) return { target: exact, stats };
  }
  const names = new Set([mapping.name, unescapeMapName(mapping.name)]);
  for (const name of names) {
    const stats = await stat(`/proc/${pid}/root${name}`).catch(() => undefined);
    if (stats !== undefined && String(stats.ino) === mapping.inode) return { target: name, stats };
  }
  return { target: unescapeMapName(mapping.name), stats: undefined };
}

/** Memory that has to travel, in bytes: anonymous and shared pages by their share, and what was swapped out. */
async function memoryBytes(pid: number): Promise<number> {
  const rollup = (await readProc(`/proc/${pid}/smaps_rollup`)) ?? '';
  const status = (await readProc(`/proc/${pid}/status`)) ?? '';
  const kilobytes = (text: string, field: string): number | undefined => {
    const value = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const anonymous =
    kilobytes(rollup, 'Pss_Anon') ??
    kilobytes(rollup, 'Anonymous') ??
    kilobytes(status, 'RssAnon') ??
    0;
  const shared = kilobytes(rollup, 'Pss_Shmem') ?? kilobytes(status, 'RssShmem') ?? 0;
  const swapped = kilobytes(rollup, 'SwapPss') ?? kilobytes(status, 'VmSwap') ?? 0;
  return (anonymous + shared + swapped) * 1024;
}

function merged(first: MappedFile, second: MappedFile): MappedFile {
  return {
    ...first,
    executable: first.executable || second.executable,
    sharedWritable: first.sharedWritable || second.sharedWritable,
    pids: [...first.pids, ...second.pids].slice(0, 64),
  };
}
