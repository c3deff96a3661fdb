import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { readLine, writeLine } from '../../../common/lines.ts';
import { runtimeModes, runtimeVersion, type RuntimeHello } from '../../../protocol/debugRuntime.ts';
import type { RuntimeWelcome } from '../../../protocol/debug.ts';
import { wakeAny } from '../place.ts';
import { ClientSession } from './clientSession.ts';
import { PauseCouncil } from './pauseCouncil.ts';

/** What the code that makes the worker hands to it. */
interface RuntimeData {
  /** Folder of the sockets, private to the user that the process runs as. */
  readonly folder: string;
  /** Set while the main thread waits for its debugger before the first line. */
  readonly gate: SharedArrayBuffer | null;
}

/** With nobody there for so long after it was loaded, the runtime goes again, in ms. */
const loneliness = 15_000;
/** How often a runtime that stands by for a move looks whether it is over, in ms, and how often at most. */
const wakeInterval = 10;
const maxWakeLooks = 3_000;

/**
 * The runtime in one process: a socket, and the sessions of those who debug it. Files are read and written
 * synchronously: the thread pool that the other way uses would stay in the process for ever.
 */
class Runtime {
  readonly #data = workerData as RuntimeData;
  readonly #path = join(this.#data.folder, String(process.pid));
  readonly #sessions = new Map<string, ClientSession>();
  readonly #council = new PauseCouncil();
  #server: Server | undefined;
  #lonely: NodeJS.Timeout | undefined;

  start(): void {
    makePrivate(this.#data.folder);
    this.#listen();
    this.#lonely = setTimeout(() => this.#leaveIfAlone(), loneliness);
  }

  #listen(): void {
    makePrivate(this.#data.folder);
    rmSync(this.#path, { force: true });
    this.#server = createServer((socket) => {
      socket.on('error', () => undefined);
      this.#greet(socket).catch(() => socket.destroy());
    });
    this.#server.on('error', () => this.#leave());
    this.#server.listen(this.#path, () => chmodSync(this.#path, 0o600));
  }

  async #greet(socket: Socket): Promise<void> {
    const hello = parseHello(await readLine(socket));
    if ('until' in hello) {
      if (hello.leaves) await this.#withdraw(socket);
      else await this.#park(socket, hello.until);
      return;
    }
    if (hello.version !== runtimeVersion) {
      const why = `The debug runtime in the process is of version ${runtimeVersion}, the debugger of ${hello.version}.`;
      writeLine(socket, { ok: false, why });
      socket.end();
      return;
    }
    clearTimeout(this.#lonely);
    const known = hello.token === null ? undefined : this.#sessions.get(hello.token);
    const session = known ?? this.#open(hello);
    writeLine(socket, this.#welcome(session, known !== undefined));
    session.attach(socket, known === undefined ? 0 : hello.received);
  }

  #open(hello: RuntimeHello): ClientSession {
    const session = new ClientSession(hello, {
      council: this.#council,
      start: () => this.#openGate(),
      ended: (ended) => {
        this.#sessions.delete(ended.token);
        this.#leaveIfAlone();
      },
    });
    this.#sessions.set(session.token, session);
    return session;
  }

  #welcome(session: ClientSession, resumed: boolean): RuntimeWelcome {
    return {
      ok: true,
      version: runtimeVersion,
      token: session.token,
      received: session.received,
      resumed,
      pid: process.pid,
      node: process.version,
      arch: process.arch,
      platform: process.platform,
      title: process.title,
      argv: process.argv,
      cwd: process.cwd(),
      waiting: this.#isWaiting(),
    };
  }

  #isWaiting(): boolean {
    const { gate } = this.#data;
    return gate !== null && Atomics.load(new Int32Array(gate), 0) === 0;
  }

  #openGate(): void {
    const { gate } = this.#data;
    if (gate === null) return;
    const view = new Int32Array(gate);
    Atomics.store(view, 0, 1);
    Atomics.notify(view, 0);
  }

  /**
   * Closes everything that a checkpoint could not take along, and listens again once the process goes on, here or
   * elsewhere: whoever moves it then writes `until` into a file beside the socket's place.
   */
  async #park(socket: Socket, until: string): Promise<void> {
    const wake = join(this.#data.folder, 'wake');
    await Promise.all([...this.#sessions.values()].map((each) => each.park()));
    this.#server?.removeAllListeners('error');
    this.#server?.close();
    this.#server = undefined;
    rmSync(this.#path, { force: true });
    writeLine(socket, { ok: true });
    socket.end();
    await new Promise((resolve) => socket.once('close', resolve));
    for (let looks = 0; looks < maxWakeLooks; looks += 1) {
      await new Promise((resolve) => setTimeout(resolve, wakeInterval));
      if ([until, wakeAny].includes(readWord(wake))) break;
    }
    this.#listen();
    for (const each of this.#sessions.values()) each.unpark();
    this.#leaveIfAlone();
  }

  /** Leaves a process that is going to be rebuilt elsewhere, unless it stands still: then it could not be looked at. */
  async #withdraw(socket: Socket): Promise<void> {
    const isStopped = this.#council.isStopped;
    writeLine(socket, { ok: !isStopped });
    socket.end();
    if (isStopped) return;
    await new Promise((resolve) => socket.once('close', resolve));
    this.#leave();
  }

  #leaveIfAlone(): void {
    if (this.#sessions.size === 0) this.#leave();
  }

  /** Ends this thread; the process is as it was before. */
  #leave(): void {
    this.#openGate();
    this.#server?.close();
    rmSync(this.#path, { force: true });
    try {
      if (readdirSync(this.#data.folder).every((name) => name === 'wake')) {
        rmSync(join(this.#data.folder, 'wake'), { force: true });
      }
      rmdirSync(this.#data.folder);
    } catch {
      // Another process of the same tree has its socket there.
    }
    process.exit();
  }
}

/** Empty when there is no such file. */
function readWord(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** @throws when the folder cannot be made or belongs to somebody else */
function makePrivate(folder: string): void {
  mkdirSync(folder, { mode: 0o700, recursive: true });
  const found = lstatSync(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o77) !== 0) {
    throw new Error(`${folder} belongs to somebody else.`);
  }
}

/** @throws when it is none: the stream is closed then without an answer */
function parseHello(
  line: string,
): RuntimeHello | { readonly until: string; readonly leaves: boolean } {
  const value = JSON.parse(line) as Partial<
    Record<keyof RuntimeHello | 'until' | 'leaves', unknown>
  >;
  if (value.flick === 'park' && typeof value.until === 'string') {
    return { until: value.until, leaves: value.leaves === true };
  }
  const { flick, version, mode, token, received, graceMs } = value;
  const wellFormed =
    flick === 'debug' &&
    typeof version === 'number' &&
    (runtimeModes as readonly unknown[]).includes(mode) &&
    (token === null || typeof token === 'string') &&
    typeof received === 'number' &&
    typeof graceMs === 'number' &&
    graceMs >= 0;
  if (!wellFormed) throw new Error('The debugger did not begin as one of ours does.');
  return { ...(value as RuntimeHello), graceMs: Math.min(graceMs, 2 ** 31 - 1) };
}

new Runtime().start();
