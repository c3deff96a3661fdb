import * as v from 'valibot';
import { notification, request } from './contract.ts';
import {
  absolutePath,
  bytes,
  handoffId,
  milliseconds,
  name,
  pid,
  port,
  processId,
  terminalSize,
  text,
  ticket,
  time,
} from './limits.ts';

/**
 * Where a process is in its life, on this device.
 * `moving`: a handoff away from here is under way; `arriving`: one to here; `inDoubt`: the handoff was interrupted after
 * the release and the other side must be asked; `lost`: the device restarted or the keeper was killed.
 */
export const processStates = [
  'running',
  'stopped',
  'moving',
  'arriving',
  'inDoubt',
  'exited',
  'lost',
] as const;
export type ProcessState = (typeof processStates)[number];

export const exitStatus = v.object({
  exitCode: v.nullable(v.number()),
  /** Name of the signal that ended it, such as `SIGKILL`. */
  signal: v.nullable(text),
});
export type ExitStatus = v.InferOutput<typeof exitStatus>;

export const listeningPort = v.object({
  protocol: v.picklist(['tcp', 'udp']),
  address: text,
  port,
});
export type ListeningPort = v.InferOutput<typeof listeningPort>;

/** A process of the operating system with its children, as a tree view shows it. */
export interface ProcessNode {
  readonly pid: number;
  readonly command: string;
  readonly rssBytes: number;
  readonly children: readonly ProcessNode[];
}
export const processNode: v.GenericSchema<ProcessNode> = v.object({
  pid,
  command: text,
  rssBytes: bytes,
  children: v.array(v.lazy(() => processNode)),
});

export const movement = v.object({
  handoff: handoffId,
  /** Name of the other device, as the person who moves it calls it. */
  peer: text,
  step: text,
  doneBytes: bytes,
  totalBytes: bytes,
});

/**
 * Why a process is in doubt, and what a person may decide about it (`handoff/resolve`; docs/handoff.md tells the risks).
 * `released`: the other device must be asked whether it runs there; `lostThere`: it ran there and was lost, here stands
 * what it was when it left; `serving`: it runs there and needs pages from here; `stranded`: it runs here and pages that
 * it needs are gone; `superseded`: it was claimed back by the other device while this one was away.
 */
export const processDoubt = v.object({
  handoff: handoffId,
  peer: text,
  what: v.picklist(['released', 'lostThere', 'serving', 'stranded', 'superseded']),
  choices: v.array(v.picklist(['runHere', 'gone'])),
});
export type ProcessDoubt = v.InferOutput<typeof processDoubt>;

/** Memory that a process which runs here still lacks: it comes from the device where the process was before. */
export const arrivingMemory = v.object({ from: text, doneBytes: bytes, totalBytes: bytes });
export type ArrivingMemory = v.InferOutput<typeof arrivingMemory>;

export const processInfo = v.object({
  id: processId,
  name,
  state: v.picklist(processStates),
  /** PID of its root as this device sees it; null when it does not run here. */
  pid: v.nullable(pid),
  command: v.array(text),
  cwd: text,
  origin: v.picklist(['launched', 'adopted']),
  /** True when the process runs in a cell; an adopted one gets its cell with its first move. */
  inCell: v.boolean(),
  hasTerminal: v.boolean(),
  /** Identity of its home device, and whether that is this one. */
  home: v.object({ deviceId: text, hostName: text }),
  atHome: v.boolean(),
  startedAt: time,
  moves: v.number(),
  exit: v.nullable(exitStatus),
  /** Set while it is in doubt. */
  doubt: v.optional(processDoubt),
  /** Set until all of its memory is here; it cannot be moved on before. */
  memory: v.optional(arrivingMemory),
  /** Why it was lost or is in doubt, and what the last failed move said. */
  remark: v.nullable(text),
  movement: v.nullable(movement),
  ports: v.array(listeningPort),
  rssBytes: v.nullable(bytes),
  tree: v.array(processNode),
});
export type ProcessInfo = v.InferOutput<typeof processInfo>;

/** All managed processes, the ended ones that nobody has dismissed included. */
export const listProcesses = request(
  'process/list',
  v.object({}),
  v.object({ processes: v.array(processInfo) }),
);

/** A process that Flick does not manage but could adopt. */
export const candidate = v.object({
  pid,
  name: text,
  command: text,
  user: text,
  rssBytes: bytes,
  uptimeMs: milliseconds,
  ports: v.array(listeningPort),
  tree: v.array(processNode),
});
export type Candidate = v.InferOutput<typeof candidate>;
export const listCandidates = request(
  'process/candidates',
  v.object({}),
  v.object({ candidates: v.array(candidate) }),
);

/** While watched with `metrics`, memory, ports and trees are sampled and changes of them pushed too. */
export const watchProcesses = request(
  'process/watch',
  v.object({ metrics: v.boolean() }),
  v.object({ processes: v.array(processInfo) }),
);
export const unwatchProcesses = request('process/unwatch', v.object({}), v.object({}));
export const processChanged = notification('process/changed', v.object({ process: processInfo }));
export const processRemoved = notification('process/removed', v.object({ id: processId }));

export const launchProcess = request(
  'process/launch',
  v.object({
    command: v.pipe(v.array(text), v.minLength(1, 'A command is needed.')),
    /** Defaults to the user's home on the device. */
    cwd: v.optional(absolutePath),
    /** Added to the device's login environment. */
    env: v.optional(v.record(text, text)),
    name: v.optional(name),
    carry: v.optional(v.array(absolutePath)),
    terminal: v.optional(terminalSize),
    /** With `wait`, a Node.js program waits before its first line for a debugger, 20 s at most. */
    debug: v.optional(v.object({ wait: v.boolean() })),
  }),
  v.object({ process: processInfo }),
);
export const adoptProcess = request(
  'process/adopt',
  v.object({ pid, name: v.optional(name), carry: v.optional(v.array(absolutePath)) }),
  v.object({ process: processInfo }),
);
export const signalProcess = request(
  'process/signal',
  v.object({ id: processId, signal: text }),
  v.object({}),
);
/** Answers when the process has ended (at once if it has). */
export const waitProcess = request('process/wait', v.object({ id: processId }), exitStatus);
/** Dismisses an ended, lost or adopted process from the list; a running one is never touched by it. */
export const forgetProcess = request('process/forget', v.object({ id: processId }), v.object({}));
export const renameProcess = request(
  'process/rename',
  v.object({ id: processId, name }),
  v.object({}),
);

/**
 * Opens a stream onto the terminal: what the process writes comes out (from `fromOffset`, or all that is kept), what is
 * written goes in. Ends when the process ends or leaves; `follow: false` ends after what is kept.
 */
export const openTerminal = request(
  'terminal/open',
  v.object({
    id: processId,
    fromOffset: v.optional(bytes),
    follow: v.optional(v.boolean()),
    size: v.optional(terminalSize),
  }),
  v.object({ ticket, offset: bytes }),
);
export const resizeTerminal = request(
  'terminal/resize',
  v.object({ id: processId, size: terminalSize }),
  v.object({}),
);
