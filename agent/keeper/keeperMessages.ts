import { FrameError, type PayloadReader } from './frames.ts';

/** How a program ended: by `exit` with a code from 0 to 255, or by a signal (its number). */
export type ExitStatus =
  | { readonly kind: 'code'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: number };

/** How the app of a cell ended there: as a program ends, or because a dump carried it away. */
export type AppEnd = ExitStatus | { readonly kind: 'departed' };

export const appStates = ['none', 'running', 'exited', 'departed', 'restoring'] as const;
export type AppState = (typeof appStates)[number];

export const jobKinds = ['plain', 'dump', 'restore'] as const;
export type JobKind = (typeof jobKinds)[number];

export const jobPhases = ['running', 'held', 'decided', 'done'] as const;
export type JobPhase = (typeof jobPhases)[number];

export const signalTargets = ['app', 'foreground', 'all'] as const;
export type SignalTarget = (typeof signalTargets)[number];

export const failureStages = ['none', 'cwd', 'exec', 'setup'] as const;
export type FailureStage = (typeof failureStages)[number];

export interface JobState {
  readonly id: number;
  readonly pid: number;
  readonly kind: JobKind;
  readonly phase: JobPhase;
  /** Whether a held job outlives its connection and waits for the verdict of a later one. */
  readonly pinned: boolean;
  readonly goOn: boolean;
  /** Present once `phase` is `done`. */
  readonly status: ExitStatus | undefined;
}

export interface KeeperState {
  /** Inner PID of the app; 0 without one. */
  readonly appPid: number;
  readonly app: AppState;
  /** Present once `app` is `exited`. */
  readonly status: ExitStatus | undefined;
  /** Bytes `[start, end)` of everything the app ever wrote are kept. */
  readonly scrollback: { readonly start: number; readonly end: number };
  readonly columns: number;
  readonly rows: number;
  /** `rdev:dev` of the app's terminal in hexadecimal: what `--external tty[…]` and `--inherit-fd` take. */
  readonly terminalKey: string;
  /** The keeper's own PID in its namespace: 1 in a cell. */
  readonly keeperPid: number;
  readonly userNamespace: boolean;
  readonly overlay: boolean;
  readonly guard: boolean;
  /** The layer gives file handles (index, nfs_export), so that inotify watches can be dumped. */
  readonly exportable: boolean;
  /** It can leave out what Node.js prints of its inspector; false for a guard and for keepers that do not know how. */
  readonly canHush: boolean;
  /** It knows how to run a dump that leaves the pages in the process. */
  readonly canLeavePages: boolean;
  /** It can be the lazy-pages daemon of a restore: built for it, allowed to use userfaultfd(2), pages of 4096 bytes. */
  readonly canLazy: boolean;
  /** It can hold a process that stands still by itself (README.md, "Park"). */
  readonly canPark: boolean;
  /** Input that the app's terminal has not taken yet, in bytes. */
  readonly pendingInput: number;
  /** For `--action-script`: makes criu hold. A path that criu executes as it stands. */
  readonly holdScript: string;
  readonly jobs: readonly JobState[];
}

/** Pages `[first, first + count)` of lazy.pages. */
export interface PageRange {
  readonly first: number;
  readonly count: number;
}

/** How far a restore with `--lazy-pages` is. Pages are counted by their numbers in lazy.pages. */
export interface LazyState {
  /** Page numbers that the index names. */
  readonly total: number;
  /** Those of them whose content the keeper was told to be there. */
  readonly arrived: number;
  /** Those of them that no process still lacks: installed, or dropped by the program. */
  readonly installed: number;
  /** After LAZY_DONE: the keeper has let go of all files and processes. */
  readonly finished: boolean;
  /** At most 1024 page numbers that somebody waits for; one may stand there twice. */
  readonly wanted: readonly number[];
}

function pick<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new FrameError(`Failed to read a payload: ${index} is unknown`);
  return value;
}

/** Reads `u32 code, u32 signal`. */
export function readExitStatus(reader: PayloadReader): ExitStatus {
  const code = reader.u32();
  const signal = reader.u32();
  return signal > 0 ? { kind: 'signal', signal } : { kind: 'code', code };
}

/** Reads the payload of EXITED. */
export function readAppEnd(reader: PayloadReader): AppEnd {
  const state = pick(appStates, reader.u8());
  const status = readExitStatus(reader);
  return state === 'departed' ? { kind: 'departed' } : status;
}

/** Reads the reply to LAZY_STATE. */
export function readLazyState(reader: PayloadReader): LazyState {
  const total = reader.u64();
  const arrived = reader.u64();
  const installed = reader.u64();
  const finished = reader.u8() === 1;
  return { total, arrived, installed, finished, wanted: reader.u64s() };
}

function readJob(reader: PayloadReader): JobState {
  const id = reader.u32();
  const pid = reader.u32();
  const kind = pick(jobKinds, reader.u8());
  const phase = pick(jobPhases, reader.u8());
  const pinned = reader.u8() === 1;
  const goOn = reader.u8() === 1;
  const status = readExitStatus(reader);
  return { id, pid, kind, phase, pinned, goOn, status: phase === 'done' ? status : undefined };
}

/** Reads the reply to STATE. */
export function readState(reader: PayloadReader): KeeperState {
  const appPid = reader.u32();
  const app = pick(appStates, reader.u8());
  const status = readExitStatus(reader);
  const scrollback = { start: reader.u64(), end: reader.u64() };
  const columns = reader.u16();
  const rows = reader.u16();
  const terminalKey = `${reader.u64().toString(16)}:${reader.u64().toString(16)}`;
  const keeperPid = reader.u32();
  const info = reader.u32();
  const pendingInput = reader.u32();
  const holdScript = reader.string();
  const jobs = Array.from({ length: reader.u32() }, () => readJob(reader));
  return {
    appPid,
    app,
    status: app === 'exited' ? status : undefined,
    scrollback,
    columns,
    rows,
    terminalKey,
    keeperPid,
    userNamespace: (info & 1) !== 0,
    overlay: (info & 2) !== 0,
    guard: (info & 4) !== 0,
    exportable: (info & 8) !== 0,
    canHush: (info & 16) !== 0,
    canLeavePages: (info & 64) !== 0,
    canLazy: (info & 32) !== 0,
    canPark: (info & 128) !== 0,
    pendingInput,
    holdScript,
    jobs,
  };
}
