import * as v from 'valibot';
import { bytes, listeningPort, pid } from '../../../protocol/index.ts';

/**
 * What the source knows of a process tree that a target needs for its half of the check. It crosses devices inside
 * `processFacts.document`, so everything in it is bounded; the target validates it with {@link criuFacts} and treats it
 * as a claim of the sender, never as a right. PIDs, paths and inodes are those of the source device.
 */
const path = v.pipe(v.string(), v.maxLength(4200));
const word = v.pipe(v.string(), v.maxLength(512));
const many = 20_000;
const id = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff));
/** PIDs that may be 0: a group or session whose leader is outside the reader's PID namespace (proc_pid_stat(5)). */
const foreignPid = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(4_194_304));
/** Permission bits and file type as in st_mode (inode(7)). */
const mode = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff));
const inode = v.pipe(v.string(), v.regex(/^\d{1,20}$/));
const descriptor = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0x7fff_ffff));

/** A process by PID and name, for sentences. */
export const namedProcess = v.object({ pid, name: word });
export type NamedProcess = v.InferOutput<typeof namedProcess>;

export const factProcess = v.object({
  pid,
  /** PID inside the innermost PID namespace. */
  nsPid: pid,
  parent: foreignPid,
  comm: word,
  /** What people know it by: the name of its program, as its command line has it. */
  name: word,
  command: v.pipe(v.string(), v.maxLength(4200)),
  /** Path of the program, as the process's own mount namespace names it; empty when it cannot be read. */
  exe: path,
  /** Real, effective, saved and file-system ids (credentials(7)), as this device's agent sees them. */
  uids: v.pipe(v.array(id), v.maxLength(4)),
  gids: v.pipe(v.array(id), v.maxLength(4)),
  groups: v.pipe(v.array(id), v.maxLength(65_536)),
  sid: foreignPid,
  pgid: foreignPid,
  threads: v.number(),
  /** One letter, proc_pid_stat(5). */
  state: v.pipe(v.string(), v.maxLength(1)),
  /** Threads in the state D, and threads that are stopped although the process is not. */
  uninterruptible: v.pipe(v.array(pid), v.maxLength(1000)),
  stoppedThreads: v.pipe(v.array(pid), v.maxLength(1000)),
  /** The debugger that holds one of its threads. */
  tracer: v.nullable(namedProcess),
  seccomp: v.boolean(),
  /** Whether root here may read its resource limits, which a dump needs (prlimit(2)). */
  limitsReadable: v.boolean(),
  /** Whether all that is said of this process could be read; false when the agent lacked the permission. */
  readable: v.boolean(),
});
export type FactProcess = v.InferOutput<typeof factProcess>;

export const mappedFile = v.object({
  path,
  size: bytes,
  mode,
  mtimeMs: v.number(),
  /** Lower-case hex of the ELF note NT_GNU_BUILD_ID. */
  buildId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{2,128}$/))),
  deleted: v.boolean(),
  executable: v.boolean(),
  /** Shared and writable: what the process writes there reaches the file. */
  sharedWritable: v.boolean(),
  pids: v.pipe(v.array(pid), v.maxLength(64)),
});
export type MappedFile = v.InferOutput<typeof mappedFile>;

export const openFile = v.object({
  pid,
  fd: descriptor,
  path,
  kind: v.picklist(['file', 'folder', 'fifo', 'link']),
  pos: v.number(),
  /** Open flags as in fdinfo, a number (open(2)). */
  flags: v.number(),
  size: bytes,
  mode,
  writable: v.boolean(),
  append: v.boolean(),
  deleted: v.boolean(),
  linkCount: v.number(),
  locked: v.boolean(),
});
export type OpenFile = v.InferOutput<typeof openFile>;

export const connection = v.object({
  pid,
  fd: descriptor,
  protocol: v.picklist(['tcp', 'udp']),
  /** `address:port`, IPv6 addresses in brackets. */
  local: word,
  remote: word,
  /** Name of the state, as ss(8) prints it in upper case: `ESTABLISHED`, `SYN_SENT`, … */
  state: word,
  /** True when the other end belongs to the tree as well. */
  inside: v.boolean(),
});
export type Connection = v.InferOutput<typeof connection>;

export const unixSocket = v.object({
  pid,
  fd: descriptor,
  inode,
  type: v.picklist(['stream', 'datagram', 'seqpacket']),
  /** Path or `@abstract` name of the other end, or of the socket itself; empty when it has none. */
  path,
  /** Where the other end is. `unknown` where the device has no `ss`. */
  peer: v.picklist(['outside', 'unknown']),
  /** Who has the other end, where that could be seen. */
  holder: v.nullable(namedProcess),
});
export type UnixSocket = v.InferOutput<typeof unixSocket>;

export const terminal = v.object({
  pid,
  fds: v.pipe(v.array(descriptor), v.maxLength(1000)),
  path,
  /** `rdev:dev`, hexadecimal, as CRIU's `--external tty[…]` takes it. */
  key: v.pipe(v.string(), v.regex(/^[0-9a-f]{1,16}:[0-9a-f]{1,16}$/)),
  role: v.picklist(['master', 'slave', 'console']),
  /** True when the master is held by a process of the tree, or this is one whose slaves are. */
  inside: v.boolean(),
});
export type Terminal = v.InferOutput<typeof terminal>;

export const outsidePipe = v.object({
  pid,
  fds: v.pipe(v.array(descriptor), v.maxLength(1000)),
  inode,
  /** What the tree does with it. */
  end: v.picklist(['reads', 'writes', 'both']),
  /** Who has the other end. Empty when it is closed already, or cannot be seen. */
  holders: v.pipe(v.array(namedProcess), v.maxLength(16)),
});
export type OutsidePipe = v.InferOutput<typeof outsidePipe>;

export const leakedDescriptor = v.object({ pid, fd: descriptor, path, mountId: v.number() });
export type LeakedDescriptor = v.InferOutput<typeof leakedDescriptor>;

export const watchDescriptor = v.object({
  pid,
  fd: descriptor,
  kind: v.picklist(['inotify', 'fanotify']),
  watches: v.number(),
  /** Types of the file systems watched (mountinfo), and whether CRIU can open their handles again. */
  fileSystems: v.pipe(v.array(word), v.maxLength(64)),
  movable: v.boolean(),
});
export type WatchDescriptor = v.InferOutput<typeof watchDescriptor>;

export const unsupportedObject = v.object({
  pid,
  /** null when it is mapped memory. */
  fd: v.nullable(descriptor),
  /** What it is, for people: `the GPU device /dev/dri/card0`. */
  what: v.pipe(v.string(), v.maxLength(4300)),
  cause: v.picklist(['ioUring', 'device', 'unsupportedObject', 'connection', 'namespace']),
});
export type UnsupportedObject = v.InferOutput<typeof unsupportedObject>;

export const supervisor = v.object({
  kind: v.picklist(['systemd', 'container', 'program', 'master']),
  /** Unit, container or program name. */
  name: word,
  pid: v.nullable(pid),
  /** Whether it is known to start the process again when it ends; null: unknown. */
  restarts: v.nullable(v.boolean()),
  /** Command that stops it on the source. */
  stop: v.pipe(v.string(), v.maxLength(1000)),
});
export type Supervisor = v.InferOutput<typeof supervisor>;

export const packageRoot = v.object({
  pid,
  path,
  /** What says that this is the root: `package.json`, `.git`, … or `the script's folder`. */
  reason: word,
  files: v.number(),
  bytes,
  /** False when the walk stopped at its bounds; files and bytes are then lower bounds. */
  complete: v.boolean(),
});
export type PackageRoot = v.InferOutput<typeof packageRoot>;

const list = <S extends v.GenericSchema>(each: S, maximum = many) =>
  v.pipe(v.array(each), v.maxLength(maximum));

export const criuFacts = v.object({
  version: v.literal(1),
  rootPid: pid,
  /** As Node names it: `x64`, `arm64`. */
  architecture: word,
  kernel: word,
  cpuFlags: list(word, 2000),
  processes: list(factProcess),
  mappedFiles: list(mappedFile),
  openFiles: list(openFile),
  /** Working and root directories of the tree, each once. */
  cwds: list(path),
  chroots: list(path, 64),
  listening: list(v.object({ ...listeningPort.entries, pid })),
  connections: list(connection),
  unixSockets: list(unixSocket),
  terminals: list(terminal),
  /** pidfds (pidfd_open(2)) of processes outside the tree. */
  outsidePidfds: list(v.object({ pid, fd: descriptor, target: v.number() }), 1000),
  pipes: list(outsidePipe),
  leaked: list(leakedDescriptor),
  watches: list(watchDescriptor),
  unsupported: list(unsupportedObject),
  /** Names of environment variables that lead to sockets outside, such as DBUS_SESSION_BUS_ADDRESS. */
  environmentHints: list(word, 64),
  supervisor: v.nullable(supervisor),
  session: v.object({
    /** Session of the root. */
    sid: foreignPid,
    rootLeads: v.boolean(),
    /** True when a process of the tree leads the session, so that no `--shell-job` is needed. */
    leaderInside: v.boolean(),
    /** The leader outside, where it still lives. */
    leader: v.nullable(namedProcess),
  }),
  /** Whether processes of the tree have namespaces other than those of the root: kinds such as `pid`, `user`. */
  nestedNamespaces: list(word, 16),
  /** Namespaces of the root that are not the agent's; those of a cell are expected. */
  foreignNamespaces: list(word, 16),
  memoryBytes: bytes,
  packageRoots: list(packageRoot, 64),
  carry: list(v.object({ path, exists: v.boolean() }), 256),
  /** Every user and group id that a credential of the tree holds, as the agent sees them. */
  userIds: list(id, 4096),
  groupIds: list(id, 65_536),
  /** What was cut because there was too much of it, in words; empty when all is there. */
  truncated: list(word, 64),
});
export type CriuFacts = v.InferOutput<typeof criuFacts>;
