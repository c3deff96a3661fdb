import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { Emitter } from '../../../common/event.ts';
import { bootstrapSource } from '../../../agent/debug/runtimeSource.ts';
import type {
  DebuggeeLink,
  DebuggeePlace,
  DebugHost,
  LaunchRequest,
  LinkState,
} from '../../../common/debuggee.ts';
import { root } from '../../support/provisioned.ts';
import { temporaryFolder } from '../../support/temporary.ts';

export interface LocalDebuggeeOptions {
  /** Major version of Node.js; by default the one that runs the tests. */
  readonly node?: '20' | '22' | '24' | '26';
  /** What the adapter is told: false makes it a process of a device elsewhere, whose paths are not paths here. */
  readonly isLocal?: boolean;
}

/** A real Node.js process with the real debug runtime, reached over its socket as an agent would reach it. */
export class LocalDebuggee {
  readonly folder: string;
  readonly child: ChildProcess;
  readonly script: string;
  readonly host: DebugHost;
  /** What the process has written so far, both streams. */
  output = '';
  readonly #remove: () => void;
  readonly #sockets: string;
  readonly #isLocal: boolean;
  readonly #links = new Set<LocalLink>();

  private constructor(script: string, options: LocalDebuggeeOptions, request?: LaunchRequest) {
    const folder = temporaryFolder();
    this.folder = folder.path;
    this.#remove = folder.remove;
    this.#isLocal = options.isLocal ?? true;
    this.script = script;
    const bootstrap = join(this.folder, 'bootstrap.cjs');
    writeFileSync(bootstrap, bootstrapSource);
    this.#sockets = join(this.folder, 'sockets');
    const option = `--require "${bootstrap}"`;
    const [, ...args] = request?.command ?? ['node', script];
    this.child = spawn(nodeOf(options.node), args, {
      cwd: request?.cwd ?? dirname(script),
      env: {
        ...process.env,
        ...request?.env,
        NODE_OPTIONS: option,
        FLICK_DEBUG_OPTION: option,
        FLICK_DEBUG_FOLDER: this.#sockets,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.child.once('exit', (code, signal) => {
      for (const each of this.#links) each.ended(code, signal);
    });
    this.host = {
      launch: () => Promise.reject(new Error('It was launched by the test.')),
      find: () => Promise.resolve({ id: 'p-0000000000', name: basename(script) }),
      link: () => this.link(),
      signal: (_id, signal) => {
        this.child.kill(signal as NodeJS.Signals);
        return Promise.resolve();
      },
    };
  }

  /**
   * Starts a program that waits before its first line until `Flick.start`. @param script a path, or source text (anything
   * with a line break), which is written into a file `program.js` first
   */
  static async start(script: string, options: LocalDebuggeeOptions = {}): Promise<LocalDebuggee> {
    const path = script.includes('\n') ? writeProgram(script) : script;
    const debuggee = new LocalDebuggee(path, options);
    await debuggee.#listening();
    return debuggee;
  }

  /** A host whose `launch` really starts the program that is asked for; `started` is it then. */
  static launcher(options: LocalDebuggeeOptions = {}): {
    readonly host: DebugHost;
    readonly started: () => LocalDebuggee | undefined;
  } {
    let debuggee: LocalDebuggee | undefined;
    const current = (): LocalDebuggee => {
      if (debuggee === undefined) throw new Error('Nothing was launched.');
      return debuggee;
    };
    return {
      started: () => debuggee,
      host: {
        launch: async (request) => {
          const script = request.command.find((word) => existsSync(word)) ?? 'program';
          debuggee = new LocalDebuggee(script, options, request);
          await debuggee.#listening();
          return { id: 'p-0000000000', name: request.name ?? basename(script) };
        },
        find: () => current().host.find('', undefined),
        link: () => current().link(),
        signal: (id, signal) => current().host.signal(id, signal),
      },
    };
  }

  get place(): DebuggeePlace {
    const pid = this.child.pid ?? 1;
    return {
      device: this.#isLocal ? 'here' : 'alpha',
      isLocal: this.#isLocal,
      debuggee: { pid, innerPid: pid, command: `node ${this.script}` },
    };
  }

  link(): LocalLink {
    const link = new LocalLink(this.socket, () => this.place);
    this.#links.add(link);
    return link;
  }

  get socket(): string {
    return join(this.#sockets, String(this.child.pid));
  }

  /** Cuts every stream without a word; they are opened again after `ms`, or by `restoreLink`. */
  breakLink(ms?: number): void {
    for (const each of this.#links) each.break(ms);
  }

  restoreLink(): void {
    for (const each of this.#links) each.restore();
  }

  /** As a move does: says where it goes, cuts, and comes back somewhere else. */
  setState(state: LinkState): void {
    for (const each of this.#links) each.setState(state);
  }

  async dispose(): Promise<void> {
    for (const each of this.#links) each.dispose();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exited = new Promise((resolve) => this.child.once('exit', resolve));
      this.child.kill('SIGKILL');
      await exited;
    }
    this.#remove();
  }

  async #listening(): Promise<void> {
    const deadline = Date.now() + 30_000;
    while (!existsSync(this.socket)) {
      if (Date.now() > deadline) throw new Error(`The runtime did not listen: ${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** A link that can be broken. */
export class LocalLink implements DebuggeeLink {
  readonly #socketPath: string;
  readonly #place: () => DebuggeePlace;
  readonly #stateChanged = new Emitter<LinkState>();
  readonly #opened = new Emitter<Socket>();
  #socket: Socket | undefined;
  #broken = false;
  #over = false;
  state: LinkState = { kind: 'waiting', why: 'Not begun.' };
  readonly onDidChangeState = this.#stateChanged.event;
  readonly onDidOpen = this.#opened.event;

  constructor(socketPath: string, place: () => DebuggeePlace) {
    this.#socketPath = socketPath;
    this.#place = place;
  }

  start(): void {
    this.#connect();
  }

  setState(state: LinkState): void {
    this.state = state;
    this.#stateChanged.fire(state);
  }

  break(ms: number | undefined): void {
    this.#broken = true;
    this.#socket?.destroy();
    if (ms !== undefined) setTimeout(() => this.restore(), ms);
  }

  restore(): void {
    this.#broken = false;
    this.#connect();
  }

  ended(exitCode: number | null, signal: string | null): void {
    if (this.#over) return;
    this.#over = true;
    this.setState({ kind: 'ended', exit: { exitCode, signal } });
  }

  dispose(): void {
    this.#over = true;
    this.#socket?.destroy();
  }

  #connect(): void {
    if (this.#broken || this.#over) return;
    const socket = connect(this.#socketPath);
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.once('connect', () => {
      this.setState({ kind: 'attached', place: this.#place() });
      this.#opened.fire(socket);
    });
    socket.once('close', () => {
      if (!this.#broken && !this.#over) setTimeout(() => this.#connect(), 20);
    });
  }
}

function nodeOf(version: LocalDebuggeeOptions['node']): string {
  if (version === undefined) return process.execPath;
  const path = join(root, '.cache', 'node', version, 'bin', 'node');
  return version === '20' && !existsSync(path) ? process.execPath : path;
}

function writeProgram(source: string): string {
  const folder = temporaryFolder();
  const path = join(folder.path, 'program.js');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, source);
  return path;
}
