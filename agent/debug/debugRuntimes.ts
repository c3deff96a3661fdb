import { chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline, type Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { readLine, writeLine } from '../../common/lines.ts';
import type { Logger } from '../../common/logger.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError, type Debuggee } from '../../protocol/index.ts';
import { readStatus } from '../procfs/status.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import type { Processes } from '../processes/processes.ts';
import { findDebuggees } from './debuggees.ts';
import { injectRuntime, requireAlive } from './injection.ts';
import { debugFolder, wakeAny } from './place.ts';

/** How long a runtime that was just loaded may take to listen, in ms, and how often is looked. */
const listenPatience = 5_000;
const listenInterval = 5;
/** How long a runtime that stood by may take to come back, in ms; another one is loaded then. */
const returnPatience = 1_000;
/** How long a runtime may take to get ready for a move, in ms. */
const parkPatience = 2_000;
/** What the thread of a runtime takes to be gone, in ms. */
const leavePatience = 100;
/** The keeper keeps the inspector's chatter off the terminal while somebody debugs; renewed in time. In ms. */
const hushFor = 600_000;
const hushAgain = 300_000;
const hushAfter = 2_000;

/** A stream to the runtime in a process. */
export interface DebugStream {
  readonly debuggee: Debuggee;
  /** Gives the stream to a client; without one it is to be disposed. */
  attach(client: Duplex): void;
  dispose(): void;
}

interface Debugged {
  /** One after the other: loading a runtime, and closing all of them for a move. */
  turn: Promise<unknown>;
  /** The handoff that the runtimes stand by for. */
  parked: string | undefined;
  /** Somebody is about to be connected; the inspector has most to say meanwhile. */
  isOpening: boolean;
  readonly streams: Set<Socket>;
  hush: NodeJS.Timeout | undefined;
}

/** The debug runtimes in this agent's processes: loads them, connects debuggers to them, and takes them through moves. */
export class DebugRuntimes {
  readonly #logger: Logger;
  readonly #debugged = new WeakMap<ManagedProcess, Debugged>();
  /** Two processes of the device cannot have the inspector's port at once. */
  #injecting: Promise<unknown> = Promise.resolve();

  constructor(processes: Processes, logger: Logger) {
    this.#logger = logger;
    processes.onDidChange((managed) => {
      if (!managed.isLive) this.#tidy(managed.id);
    });
    processes.onDidRemove((id) => this.#tidy(id));
  }

  async list(managed: ManagedProcess): Promise<Debuggee[]> {
    const { pid } = managed;
    return pid === undefined ? [] : findDebuggees(pid);
  }

  /**
   * Connects to the runtime in a process, which is loaded first if it is not there.
   * @param innerPid which Node.js process of the tree; the first one by default
   * @throws {FlickError} `processGone`, `busy` while it is being moved, `notSupported` with the reason
   */
  async open(managed: ManagedProcess, innerPid: number | undefined): Promise<DebugStream> {
    const debugged = this.#of(managed);
    const turn = debugged.turn.then(() => this.#open(managed, debugged, innerPid));
    debugged.turn = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Closes all connections to the runtimes of a process, and their sockets, until {@link wake}.
   * @returns whether there are any
   */
  async park(managed: ManagedProcess, handoff: string): Promise<boolean> {
    const debugged = this.#of(managed);
    const turn = debugged.turn.then(() => this.#park(managed, debugged, handoff));
    debugged.turn = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Has the runtimes of a process leave it, which is going to be rebuilt: its debuggers come back as new ones, after
   * {@link wake} or on the other side.
   * @throws {FlickError} `refused` while it stands still in a debugger
   */
  async withdraw(managed: ManagedProcess, handoff: string): Promise<void> {
    const debugged = this.#of(managed);
    const turn = debugged.turn.then(async () => {
      debugged.parked = handoff;
      const left = await tellRuntimes(managed, { flick: 'park', until: handoff, leaves: true });
      if (!left.every((each) => each?.ok === true)) {
        throw new FlickError(
          'refused',
          `“${managed.record.name}” stands still in a debugger, and can only be taken apart while it runs.`,
          { remedy: 'Let it run on in the debugger, then move it.' },
        );
      }
      for (const each of debugged.streams) each.destroy();
      if (left.length > 0) await delay(leavePatience);
    });
    debugged.turn = turn.catch(() => undefined);
    return turn;
  }

  /** The process goes on, here. @param expected whether its runtimes were parked on the other side */
  async wake(managed: ManagedProcess, handoff: string, expected: boolean): Promise<void> {
    const debugged = this.#of(managed);
    if (!expected && debugged.parked !== handoff) return;
    debugged.parked = undefined;
    if (!expected && (await runtimesOf(managed)) === undefined) return;
    try {
      await wakeRuntimes(managed, handoff);
    } catch (error) {
      // They wake by themselves after a while.
      this.#logger.log('warn', 'a debug runtime could not be woken', {
        id: managed.id,
        error: messageOf(error),
      });
    }
  }

  /** A process that was killed, or has left, cannot take its folder away itself. */
  #tidy(id: string): void {
    rm(debugFolder(id), { recursive: true, force: true }).catch((error: unknown) =>
      this.#logger.log('warn', 'a folder of debug sockets is left', {
        id,
        error: messageOf(error),
      }),
    );
  }

  async #open(
    managed: ManagedProcess,
    debugged: Debugged,
    innerPid: number | undefined,
  ): Promise<DebugStream> {
    managed.requireHere();
    if (debugged.parked !== undefined) throw beingMoved(managed);
    const debuggee = await this.#choose(managed, innerPid);
    const folder = join(viewOf(managed, debuggee), debugFolder(managed.id));
    const path = join(folder, String(debuggee.innerPid));
    let socket: Socket;
    debugged.isOpening = true;
    try {
      await this.#hush(managed, debugged);
      socket =
        (await connectTo(path)) ??
        (await this.#awaitReturning(managed, debuggee, folder)) ??
        (await this.#load(managed, debuggee, path));
      debugged.streams.add(socket);
    } finally {
      debugged.isOpening = false;
      if (!isWatched(debugged)) void this.#hush(managed, debugged);
    }
    socket.once('close', () => {
      debugged.streams.delete(socket);
      void this.#hush(managed, debugged);
    });
    return {
      debuggee,
      attach: (client) => {
        pipeline(client, socket, () => client.destroy());
        pipeline(socket, client, () => socket.destroy());
      },
      dispose: () => socket.destroy(),
    };
  }

  async #choose(managed: ManagedProcess, innerPid: number | undefined): Promise<Debuggee> {
    const debuggees = await this.list(managed);
    const chosen = debuggees.find((each) => innerPid === undefined || each.innerPid === innerPid);
    if (chosen !== undefined) return chosen;
    const { name } = managed.record;
    if (innerPid !== undefined && debuggees.length > 0) {
      throw new FlickError(
        'notSupported',
        `“${name}” has no Node.js process ${innerPid} (any more).`,
        { remedy: `It has ${debuggees.map((each) => each.innerPid).join(', ')}.` },
      );
    }
    throw new FlickError(
      'notSupported',
      `“${name}” runs no Node.js, and only that can be debugged.`,
      {
        remedy:
          'It can be moved all the same. For other programs use their own debugger on the device.',
      },
    );
  }

  async #load(managed: ManagedProcess, debuggee: Debuggee, path: string): Promise<Socket> {
    const injected = this.#injecting.then(() => injectRuntime(debuggee, debugFolder(managed.id)));
    this.#injecting = injected.catch(() => undefined);
    await injected;
    const socket = await this.#awaitSocket(path, debuggee, listenPatience);
    if (socket !== undefined) return socket;
    throw new FlickError(
      'notSupported',
      `The debug runtime in “${managed.record.name}” could not open its socket in /tmp.`,
      { remedy: 'The program needs a /tmp that it may write to.' },
    );
  }

  /**
   * A folder without sockets belongs to runtimes that stand by for a move, or have just been woken. Nobody may have woken
   * them: the agent that sent them to stand by was killed.
   */
  async #awaitReturning(
    managed: ManagedProcess,
    debuggee: Debuggee,
    folder: string,
  ): Promise<Socket | undefined> {
    const names = await readdir(folder).catch(() => undefined);
    if (names === undefined || names.some((name) => /^\d+$/.test(name))) return undefined;
    if (!names.includes('wake')) await wakeRuntimes(managed, wakeAny);
    const path = join(folder, String(debuggee.innerPid));
    // Until its memory is there, it comes back when its pages do.
    const isLate = (): boolean => managed.arrivingMemory !== undefined;
    return this.#awaitSocket(path, debuggee, returnPatience, isLate);
  }

  async #awaitSocket(
    path: string,
    { pid }: Debuggee,
    patience: number,
    isLate = (): boolean => false,
  ): Promise<Socket | undefined> {
    let deadline = performance.now() + patience;
    while (performance.now() < deadline) {
      if (isLate()) deadline = performance.now() + patience;
      const socket = await connectTo(path);
      if (socket !== undefined) return socket;
      await requireAlive(pid);
      await delay(listenInterval);
    }
    return undefined;
  }

  async #park(managed: ManagedProcess, debugged: Debugged, handoff: string): Promise<boolean> {
    const runtimes = await runtimesOf(managed);
    if (runtimes === undefined || runtimes.sockets.length === 0) return false;
    debugged.parked = handoff;
    await rm(join(runtimes.folder, 'wake'), { force: true }).catch(() => undefined);
    const parked = await tellRuntimes(managed, { flick: 'park', until: handoff });
    for (const each of debugged.streams) each.destroy();
    return parked.some((each) => each !== undefined);
  }

  /** Keeps Node's own words about its inspector off the terminal for as long as somebody debugs. */
  async #hush(managed: ManagedProcess, debugged: Debugged): Promise<void> {
    clearTimeout(debugged.hush);
    const { cell } = managed;
    if (cell === undefined || !managed.isLive) return;
    await cell.hush(hushFor).catch(() => undefined);
    // Somebody may have come or gone meanwhile.
    clearTimeout(debugged.hush);
    debugged.hush = setTimeout(
      () => {
        if (isWatched(debugged)) void this.#hush(managed, debugged);
        else void cell.hush(0).catch(() => undefined);
      },
      isWatched(debugged) ? hushAgain : hushAfter,
    ).unref();
  }

  #of(managed: ManagedProcess): Debugged {
    let debugged = this.#debugged.get(managed);
    if (debugged === undefined) {
      debugged = {
        turn: Promise.resolve(),
        parked: undefined,
        isOpening: false,
        streams: new Set(),
        hush: undefined,
      };
      this.#debugged.set(managed, debugged);
    }
    return debugged;
  }
}

function isWatched({ isOpening, streams }: Debugged): boolean {
  return isOpening || streams.size > 0;
}

/** A process may see other files than the rest of its tree. */
function viewOf(managed: ManagedProcess, { pid }: Debuggee): string {
  return managed.cell === undefined ? `/proc/${pid}/root` : managed.cell.view;
}

function viewRoot(managed: ManagedProcess): string | undefined {
  if (managed.cell !== undefined) return managed.cell.view;
  return managed.pid === undefined ? undefined : `/proc/${managed.pid}/root`;
}

/** @returns undefined when nobody listens there */
async function connectTo(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.on('error', () => undefined);
      resolve(socket);
    });
    socket.once('error', () => resolve(undefined));
  });
}

/** @returns whether there was a runtime that stands by now */
/** The folder of the runtimes in a process, while there is one, and their sockets. */
async function runtimesOf(
  managed: ManagedProcess,
): Promise<{ readonly folder: string; readonly sockets: readonly string[] } | undefined> {
  const root = viewRoot(managed);
  if (root === undefined) return undefined;
  const folder = join(root, debugFolder(managed.id));
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return undefined;
  const sockets = names.filter((name) => /^\d+$/.test(name)).map((name) => join(folder, name));
  return { folder, sockets };
}

/** @returns what each runtime answers; undefined for those that did not */
async function tellRuntimes(
  managed: ManagedProcess,
  word: object,
): Promise<({ readonly ok?: unknown } | undefined)[]> {
  const runtimes = await runtimesOf(managed);
  return Promise.all((runtimes?.sockets ?? []).map((path) => tellOne(path, word)));
}

async function tellOne(path: string, word: object): Promise<{ readonly ok?: unknown } | undefined> {
  const socket = await connectTo(path);
  if (socket === undefined) return undefined;
  try {
    const closed = new Promise((resolve) => socket.once('close', resolve));
    writeLine(socket, word);
    const answer = JSON.parse(await readLine(socket, parkPatience)) as { readonly ok?: unknown };
    socket.resume();
    await Promise.race([closed, delay(parkPatience, undefined, { ref: false })]);
    return answer;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}

async function wakeRuntimes(managed: ManagedProcess, handoff: string): Promise<void> {
  const root = viewRoot(managed);
  if (root === undefined) return;
  const folder = join(root, debugFolder(managed.id));
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  // The runtime takes only a folder that belongs to the user it runs as.
  const owner = managed.pid === undefined ? undefined : await readStatus(managed.pid);
  const [, uid] = owner?.uids ?? [];
  const [, gid] = owner?.gids ?? [];
  if (made !== undefined && process.getuid?.() === 0 && uid !== undefined && gid !== undefined) {
    await chown(folder, uid, gid);
  }
  await writeFile(join(folder, 'wake'), handoff, { mode: 0o600 });
}

function beingMoved(managed: ManagedProcess): FlickError {
  return new FlickError('busy', `“${managed.record.name}” is being moved just now.`, {
    remedy: 'It can be debugged again when the move is over.',
  });
}
