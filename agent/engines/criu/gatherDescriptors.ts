import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import { stat } from 'node:fs/promises';
import { printable } from '../../procfs/command.ts';
import {
  inodeOf,
  readDescriptorInfo,
  readDescriptors,
  type Descriptor,
  type DescriptorInfo,
} from '../../procfs/descriptors.ts';
import { readMounts, type Mount } from '../../procfs/mounts.ts';
import type { TreeProcess } from '../../processes/tree.ts';
import { staysUnreadable } from './gatherProcesses.ts';
import type {
  LeakedDescriptor,
  OpenFile,
  UnsupportedObject,
  WatchDescriptor,
} from './factsSchema.ts';

/** A pipe or socket of the tree, whose other end is looked for later. */
export interface HeldInode {
  readonly pid: number;
  readonly fd: number;
  readonly inode: string;
  /** Access mode and status flags (open(2)). */
  readonly flags: number;
}

export interface HeldTerminal {
  readonly pid: number;
  readonly fd: number;
  readonly path: string;
  readonly key: string;
  readonly role: 'master' | 'slave' | 'console';
  /** Number of the pty, which a master and its slave share; -1 for others. */
  readonly index: number;
}

/** A descriptor for a process (pidfd_open(2)). */
export interface HeldPidfd {
  readonly pid: number;
  readonly fd: number;
  readonly target: number;
}

/** An open namespace (namespaces(7)), such as `net:[4026531840]`. */
export interface HeldNamespace {
  readonly pid: number;
  readonly fd: number;
  readonly target: string;
}

/** What the descriptors of one process are. */
export interface DescriptorFacts {
  readonly readable: boolean;
  readonly openFiles: OpenFile[];
  readonly sockets: HeldInode[];
  readonly pipes: HeldInode[];
  readonly terminals: HeldTerminal[];
  readonly leaked: LeakedDescriptor[];
  readonly watches: WatchDescriptor[];
  readonly unsupported: UnsupportedObject[];
  readonly pidfds: HeldPidfd[];
  readonly namespaces: HeldNamespace[];
}

const deletedMark = ' (deleted)';
const maxPath = 4096;

/** Anonymous inodes that CRIU can dump: dump_one_file() in its files.c, each tried in the tests. */
const movableAnonymous = new Set([
  '[eventfd]',
  '[eventpoll]',
  'inotify',
  '[inotify]',
  '[fanotify]',
  '[signalfd]',
  '[timerfd]',
  '[pidfd]',
]);

/** Majors and minors of the kernel's Documentation/admin-guide/devices.txt. */
const memoryMajor = 1;
const ttyMajor = 4;
const ttyAuxMajor = 5;
const consoleMinors = 64;

/** In bytes; ordinary pages have at most 64 KiB, on arm64. */
const smallestHugePage = 1 << 20;

/** Looks at every descriptor of a process. `readable` is false when the caller may not. */
export async function gatherDescriptors(process: TreeProcess): Promise<DescriptorFacts> {
  const { pid } = process;
  const descriptors = await readDescriptors(pid);
  const facts: DescriptorFacts = {
    readable: descriptors !== undefined || !(await staysUnreadable(pid)),
    openFiles: [],
    sockets: [],
    pipes: [],
    terminals: [],
    leaked: [],
    watches: [],
    unsupported: [],
    pidfds: [],
    namespaces: [],
  };
  const mounts = (await readMounts(pid)) ?? [];
  for (const descriptor of descriptors ?? []) {
    const info = await readDescriptorInfo(pid, descriptor.fd);
    if (info !== undefined) await classify(facts, pid, descriptor, info, mounts);
  }
  return facts;
}

async function classify(
  facts: DescriptorFacts,
  pid: number,
  { fd, target }: Descriptor,
  info: DescriptorInfo,
  mounts: readonly Mount[],
): Promise<void> {
  const socket = inodeOf(target, 'socket');
  const pipe = inodeOf(target, 'pipe');
  if (socket !== undefined) {
    facts.sockets.push({ pid, fd, inode: socket, flags: info.flags });
  } else if (pipe !== undefined) {
    facts.pipes.push({ pid, fd, inode: pipe, flags: info.flags });
  } else if (target.startsWith('anon_inode:') || target.startsWith('pidfd:')) {
    classifyAnonymous(facts, pid, fd, target, info, mounts);
  } else if (target.startsWith('/memfd:')) {
    await classifyMemoryFile(facts, pid, fd);
  } else if (/^[a-z_]+:\[\d+\]$/.test(target)) {
    facts.namespaces.push({ pid, fd, target });
  } else if (!target.startsWith('/') || target.startsWith('/secretmem')) {
    unsupported(facts, pid, fd, describeObject(target));
  } else {
    await classifyPath(facts, pid, fd, target, info, mounts);
  }
}

function classifyAnonymous(
  facts: DescriptorFacts,
  pid: number,
  fd: number,
  target: string,
  info: DescriptorInfo,
  mounts: readonly Mount[],
): void {
  const name = target.startsWith('pidfd:') ? '[pidfd]' : target.slice('anon_inode:'.length);
  if (name === '[io_uring]') {
    facts.unsupported.push({ pid, fd, what: 'an io_uring', cause: 'ioUring' });
  } else if (!movableAnonymous.has(name)) {
    unsupported(facts, pid, fd, describeObject(target));
  } else if (name.includes('notify')) {
    facts.watches.push(describeWatch(pid, fd, info, mounts));
  } else if (name === '[pidfd]' && info.pidOfPidfd !== undefined) {
    facts.pidfds.push({ pid, fd, target: info.pidOfPidfd });
  }
}

/** A file in memory goes into the images with its pages, except one of huge pages. */
async function classifyMemoryFile(facts: DescriptorFacts, pid: number, fd: number): Promise<void> {
  const stats = await stat(`/proc/${pid}/fd/${fd}`).catch(() => undefined);
  if (stats !== undefined && stats.blksize >= smallestHugePage) {
    unsupported(facts, pid, fd, 'a memory file of huge pages (memfd_create with MFD_HUGETLB)');
  }
}

async function classifyPath(
  facts: DescriptorFacts,
  pid: number,
  fd: number,
  target: string,
  info: DescriptorInfo,
  mounts: readonly Mount[],
): Promise<void> {
  // Through the descriptor itself, so that a deleted file or one of another mount namespace is found as well.
  const stats = await stat(`/proc/${pid}/fd/${fd}`).catch(() => undefined);
  if (stats === undefined) return;
  if (stats.isCharacterDevice()) {
    classifyCharacterDevice(facts, pid, fd, target, info, stats);
  } else if (stats.isBlockDevice()) {
    device(facts, pid, fd, `the block device ${shown(target)}`);
  } else {
    facts.openFiles.push(await describeFile(pid, fd, target, info, stats));
  }
  if (mounts.length > 0 && !mounts.some((mount) => mount.id === info.mountId)) {
    facts.leaked.push({ pid, fd, path: shown(target), mountId: info.mountId });
  }
}

function classifyCharacterDevice(
  facts: DescriptorFacts,
  pid: number,
  fd: number,
  target: string,
  info: DescriptorInfo,
  stats: Stats,
): void {
  const { major, minor } = splitDevice(stats.rdev);
  const add = (role: HeldTerminal['role'], index: number): void => {
    const key = `${stats.rdev.toString(16)}:${stats.dev.toString(16)}`;
    facts.terminals.push({ pid, fd, path: shown(target), key, role, index });
  };
  if (major === memoryMajor) return;
  if (major >= 136 && major <= 143) add('slave', (major - 136) * 256 + minor);
  else if (major === ttyAuxMajor && minor === 2) add('master', info.ttyIndex ?? -1);
  else if (major === ttyAuxMajor && minor === 0) add('slave', -1);
  else if (major === ttyAuxMajor && minor === 1) add('console', -1);
  else if (major === ttyMajor && minor > 0 && minor < consoleMinors) add('console', -1);
  else device(facts, pid, fd, describeDevice(target));
}

async function describeFile(
  pid: number,
  fd: number,
  target: string,
  info: DescriptorInfo,
  stats: Stats,
): Promise<OpenFile> {
  const access = info.flags & (constants.O_WRONLY | constants.O_RDWR);
  const { path, deleted } = await withoutMark(pid, target, stats);
  return {
    pid,
    fd,
    path: path.slice(0, maxPath),
    kind: stats.isDirectory()
      ? 'folder'
      : stats.isFIFO()
        ? 'fifo'
        : stats.isSymbolicLink()
          ? 'link'
          : 'file',
    pos: info.pos,
    flags: info.flags,
    size: stats.size,
    mode: stats.mode,
    writable: access !== 0,
    append: (info.flags & constants.O_APPEND) !== 0,
    deleted,
    linkCount: stats.nlink,
    locked: info.locks > 0,
  };
}

/**
 * The kernel puts ` (deleted)` behind the path of a file whose name is gone; a name may also end so by itself. Only the
 * latter leads to the same file.
 */
export async function withoutMark(
  pid: number,
  target: string,
  file: { readonly dev: number; readonly ino: number; readonly nlink: number },
): Promise<{ readonly path: string; readonly deleted: boolean }> {
  if (!target.endsWith(deletedMark)) return { path: target, deleted: false };
  if (file.nlink > 0) {
    const named = await stat(`/proc/${pid}/root${target}`).catch(() => undefined);
    if (named?.dev === file.dev && named.ino === file.ino) return { path: target, deleted: false };
  }
  return { path: target.slice(0, -deletedMark.length), deleted: true };
}

function describeWatch(
  pid: number,
  fd: number,
  info: DescriptorInfo,
  mounts: readonly Mount[],
): WatchDescriptor {
  const types = new Set<string>();
  let movable = true;
  for (const watch of info.inotify) {
    // The kernel's own encoding there: 12 bits of major, 20 of minor (include/linux/kdev_t.h).
    const device = `${watch.device >> 20}:${watch.device & 0xf_ffff}`;
    const mount = mounts.find((each) => each.device === device);
    types.add(mount?.type ?? 'unknown');
    movable &&= watch.hasHandle && (mount === undefined || opensHandles(mount));
  }
  return {
    pid,
    fd,
    kind: info.fanotify ? 'fanotify' : 'inotify',
    watches: info.inotify.length,
    fileSystems: [...types].slice(0, 64),
    movable,
  };
}

/** File systems that find no file by a handle (open_by_handle_at(2)), which is how CRIU finds what is watched. */
const withoutHandles = new Set(
  'proc sysfs devpts debugfs tracefs securityfs configfs binfmt_misc pstore bpf 9p vboxsf'.split(
    ' ',
  ),
);

/** Since Linux 6.5 every file system gives handles for watches; not all can open them again. */
function opensHandles(mount: Mount): boolean {
  if (mount.type === 'overlay') return mount.superOptions.includes('nfs_export=on');
  return !withoutHandles.has(mount.type);
}

function unsupported(facts: DescriptorFacts, pid: number, fd: number, what: string): void {
  facts.unsupported.push({ pid, fd, what, cause: 'unsupportedObject' });
}

function device(facts: DescriptorFacts, pid: number, fd: number, what: string): void {
  facts.unsupported.push({ pid, fd, what, cause: 'device' });
}

const objects: readonly (readonly [RegExp, string])[] = [
  [/userfaultfd/, 'a userfaultfd (memory that it serves itself)'],
  [/perf_event/, 'a performance counter (perf_event)'],
  [/kvm/, 'a virtual machine (KVM)'],
  [/bpf/, 'a BPF program or link'],
  [/dmabuf|sync_file/, 'a buffer shared with a graphics driver'],
  [/secretmem/, 'secret memory (memfd_secret)'],
  [/landlock/, 'a Landlock rule set'],
  [/seccomp notify/, 'a seccomp listener'],
  [/fscontext|fsmount/, 'a file system that is being mounted'],
];

/** An object without a path, for people. */
export function describeObject(target: string): string {
  return objects.find(([pattern]) => pattern.test(target))?.[1] ?? `the object ${shown(target)}`;
}

const devices: readonly (readonly [RegExp, string])[] = [
  [/^\/dev\/(dri\/|nvidia|kfd|mali|vchiq)/, 'the graphics device'],
  [/^\/dev\/fuse/, 'the file system device'],
  [/^\/dev\/kvm/, 'the virtual machine device'],
  [/^\/dev\/(input\/|uinput|hidraw)/, 'the input device'],
  [/^\/dev\/snd\//, 'the sound device'],
  [/^\/dev\/(video|media)/, 'the camera'],
  [/^\/dev\/tty\d*$/, 'the virtual console'],
  [/^\/dev\/tty/, 'the serial port'],
  [/^\/dev\/net\/tun/, 'the network tunnel'],
  [/^\/dev\/(i2c|spidev|gpio)/, 'the hardware bus'],
  [/^\/dev\/bus\/usb/, 'the USB device'],
];

export function describeDevice(path: string): string {
  return `${devices.find(([pattern]) => pattern.test(path))?.[1] ?? 'the device'} ${shown(path)}`;
}

/** st_dev and st_rdev as Node gives them: the packed form of makedev(3). */
export function splitDevice(device: number): { readonly major: number; readonly minor: number } {
  const number = BigInt(device);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xffff_f000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffff_ff00n);
  return { major: Number(major), minor: Number(minor) };
}

function shown(path: string): string {
  return printable(path).slice(0, maxPath);
}
