import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Disposable } from '../../common/disposable.ts';
import { Emitter } from '../../common/event.ts';
import {
  answerType,
  encodeFrame,
  FrameDecoder,
  PayloadReader,
  PayloadWriter,
  requestType,
  type Frame,
  type RequestType,
} from './frames.ts';
import { errnoName, KeeperError } from './keeperError.ts';
import {
  failureStages,
  jobKinds,
  readAppEnd,
  readExitStatus,
  readLazyState,
  readState,
  signalTargets,
  type AppEnd,
  type ExitStatus,
  type JobKind,
  type KeeperState,
  type LazyState,
  type PageRange,
  type SignalTarget,
} from './keeperMessages.ts';

export interface LaunchOptions {
  /** What is executed, searched for in the PATH of `env` if it has no slash; `argv[0]` unless told. */
  readonly program?: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly columns: number;
  readonly rows: number;
  /** Descriptors below this number are taken when it starts: it lets go of them itself. */
  readonly reservedDescriptors?: number;
}

export interface ExecOptions {
  readonly kind: JobKind;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Dump: inner PID of the tree's root. Restore: the inner PID that the app will have again. */
  readonly trackPid?: number;
  /** Written to ns_last_pid first, so that criu's own PIDs stay below those of the app. */
  readonly lastPid?: number;
  /** Receives standard output and error, appended; thrown away unless told. */
  readonly outputPath?: string;
  /** criu stops at post-dump or post-restore until the verdict; needs {@link KeeperState.holdScript} as action script. */
  readonly hold?: boolean;
  /** Runs below a session leader on the pty, for `criu restore --shell-job`. */
  readonly sessionOnPty?: boolean;
  /** Hands the pty's slave over as descriptor 9. */
  readonly ptyDescriptor?: boolean;
  /** A dump that leaves the process here (`--leave-running`). */
  readonly stays?: boolean;
  /** Hands a socket over as descriptor 8 whose other end is closed, for `criu dump --lazy-pages --ps-socket 8`. */
  readonly pageSocket?: boolean;
  /** Goes before other programs, where the keeper's user may ask for that. */
  readonly urgent?: boolean;
}

/** A program that the keeper runs. Its promises never reject. */
export interface KeeperJob {
  readonly id: number;
  readonly pid: number;
  /** True when it holds; false when it ended, or the connection closed, before that. */
  readonly held: Promise<boolean>;
  /** Undefined when the connection closed before it ended. */
  readonly done: Promise<ExitStatus | undefined>;
}

export interface OutputPiece {
  /** Where `data` begins in everything the app ever wrote. A jump says that this viewer was too slow. */
  readonly offset: number;
  readonly data: Buffer;
}

interface PendingRequest {
  readonly accept: (reader: PayloadReader) => void;
  readonly reject: (error: KeeperError) => void;
}

interface JobEntry {
  readonly settleHeld: (held: boolean) => void;
  readonly settleDone: (status: ExitStatus | undefined) => void;
}

/**
 * Connects to the keeper that serves in `dir`.
 * @throws {KeeperError} `connect`
 */
export async function connectKeeper(dir: string): Promise<KeeperClient> {
  // A socket's address holds 107 bytes, a folder's name may be longer: go through a descriptor of the folder. unix(7)
  const folder = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY).catch(
    (cause: unknown) => {
      throw connectError(dir, cause);
    },
  );
  try {
    return await new Promise((resolve, reject) => {
      const direct = join(dir, 'sock');
      const path =
        Buffer.byteLength(direct) <= 107 ? direct : `/proc/self/fd/${String(folder.fd)}/sock`;
      const socket = connect({ path });
      socket.once('error', (cause) => reject(connectError(dir, cause)));
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(new KeeperClient(socket));
      });
    });
  } finally {
    await folder.close();
  }
}

function connectError(dir: string, cause: unknown): KeeperError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const code =
    cause instanceof Error && 'code' in cause && typeof cause.code === 'string'
      ? cause.code
      : undefined;
  return new KeeperError('connect', `Failed to reach the keeper in ${dir}: ${why}`, {
    cause,
    code,
  });
}

/** One connection to a keeper. Every method rejects with {@link KeeperError} `refused` or `closed`. */
export class KeeperClient implements Disposable {
  readonly #socket: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #pending = new Map<number, PendingRequest>();
  readonly #jobs = new Map<number, JobEntry>();
  readonly #output = new Emitter<OutputPiece>();
  readonly #ended = new Emitter<AppEnd>();
  readonly #wanted = new Emitter<readonly number[]>();
  readonly #lazyDone = new Emitter<void>();
  readonly #closed = new Emitter<void>();
  #tag = 0;
  #isClosed = false;

  readonly onOutput = this.#output.event;
  /** The app is gone from this cell; the keeper leaves too. */
  readonly onEnded = this.#ended.event;
  /** Page numbers that a process of a lazy restore waits for; to who called `lazy` or `lazyState` last. */
  readonly onWanted = this.#wanted.event;
  /** No process lacks a page any more; to who called `lazy` or `lazyState` last. */
  readonly onLazyDone = this.#lazyDone.event;
  readonly onClosed = this.#closed.event;

  constructor(socket: Duplex) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    // 'close' follows, and says all that matters.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#close());
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  state(): Promise<KeeperState> {
    return this.#request(requestType.state, new PayloadWriter(), readState);
  }

  /**
   * Starts the app in an empty cell. A failure's `stage` and `code` tell a missing working directory from a missing or
   * forbidden program.
   * @returns its inner PID
   */
  launch(options: LaunchOptions): Promise<number> {
    const writer = new PayloadWriter()
      .u16(options.columns)
      .u16(options.rows)
      .string(options.cwd)
      .string(options.program ?? options.argv[0] ?? '')
      .list(options.argv)
      .list(variables(options.env))
      .u16(options.reservedDescriptors ?? 0);
    return this.#request(requestType.launch, writer, (reader) => reader.u32());
  }

  /** Runs a program, criu as a rule, as a child of the keeper. */
  exec(options: ExecOptions): Promise<KeeperJob> {
    const flags =
      (options.sessionOnPty === true ? 1 : 0) |
      (options.ptyDescriptor === true ? 2 : 0) |
      (options.hold === true ? 4 : 0) |
      (options.stays === true ? 8 : 0) |
      (options.pageSocket === true ? 16 : 0) |
      (options.urgent === true ? 32 : 0);
    const writer = new PayloadWriter()
      .u32(flags)
      .u8(jobKinds.indexOf(options.kind))
      .u32(options.lastPid ?? 0)
      .u32(options.trackPid ?? 0)
      .string(options.outputPath ?? '')
      .list(options.argv)
      .list(variables(options.env));
    return this.#request(requestType.exec, writer, (reader) =>
      this.#addJob(reader.u32(), reader.u32()),
    );
  }

  /** Takes over a job of a connection that is gone: its hold, its verdict and its end come here from now on. */
  claim(jobId: number): Promise<KeeperJob> {
    const job = this.#addJob(jobId, 0);
    return this.#request(requestType.claim, new PayloadWriter().u32(jobId), () => job);
  }

  /** Lets a held criu go on, or makes it abort. Repeating the same verdict is allowed. */
  verdict(jobId: number, goOn: boolean): Promise<void> {
    return this.#command(requestType.verdict, new PayloadWriter().u32(jobId).u8(goOn ? 1 : 0));
  }

  /**
   * Makes a held job outlive this connection: it waits for a verdict from a later one. A dump that is pinned counts as
   * released: if its criu dies, the process stands still without it until the verdict.
   */
  pin(jobId: number): Promise<void> {
    return this.#command(requestType.pin, new PayloadWriter().u32(jobId));
  }

  /** Names the app of a cell whose process came by a restore without `trackPid`. */
  track(pid: number): Promise<void> {
    return this.#command(requestType.track, new PayloadWriter().u32(pid));
  }

  /** Types into the terminal. Rejects with `ENOBUFS` while 1 MiB waits for an app that does not read. */
  input(data: Uint8Array): Promise<void> {
    return this.#command(requestType.input, new PayloadWriter().bytes(data));
  }

  resize(columns: number, rows: number): Promise<void> {
    return this.#command(requestType.resize, new PayloadWriter().u16(columns).u16(rows));
  }

  /** `signal` is its number; 0 asks whether the target is there. */
  signal(signal: number, target: SignalTarget = 'app'): Promise<void> {
    const writer = new PayloadWriter().u32(signal).u8(signalTargets.indexOf(target));
    return this.#command(requestType.signal, writer);
  }

  /**
   * Follows the output from an offset on, through {@link onOutput}.
   * @returns where it really begins: `from`, or the oldest byte that is kept
   */
  subscribe(from: number): Promise<number> {
    const writer = new PayloadWriter().u64(from);
    return this.#request(requestType.subscribe, writer, (reader) => reader.u64());
  }

  unsubscribe(): Promise<void> {
    return this.#command(requestType.unsubscribe, new PayloadWriter());
  }

  /** Fills the scrollback of a fresh cell with what the app wrote elsewhere, from offset `start` on. */
  async preload(start: number, data: Uint8Array): Promise<void> {
    const piece = 512 * 1024;
    for (let at = 0; at === 0 || at < data.length; at += piece) {
      const writer = new PayloadWriter().u64(start + at).bytes(data.subarray(at, at + piece));
      await this.#command(requestType.preload, writer);
    }
  }

  /**
   * Keeps what Node.js prints of its inspector out of the output for `ms` ms, up to 600,000, in place of what an earlier
   * call said; 0 ends it. Only for a keeper with {@link KeeperState.canHush}: another one closes the connection.
   */
  hush(ms: number): Promise<void> {
    return this.#command(requestType.hush, new PayloadWriter().u32(ms));
  }

  /**
   * Makes the keeper serve the pages of the next restore, `criu restore --lazy-pages` with `folder` as its working
   * directory. `folder` has lazy.index, lazy.pages and lazy.arrived in full length; README.md says what is in them. Only
   * for a keeper with {@link KeeperState.canLazy}. Refused with `EINVAL` when a file is not as it should be.
   */
  lazy(folder: string): Promise<void> {
    return this.#command(requestType.lazy, new PayloadWriter().string(folder));
  }

  /** Says that the content of these pages is in lazy.pages now. Of more than 32,768 ranges some may count before an error. */
  async arrived(ranges: readonly PageRange[]): Promise<void> {
    const most = 32_768;
    for (let at = 0; at < ranges.length; at += most) {
      const part = ranges.slice(at, at + most);
      const bytes = Buffer.alloc(part.length * 16);
      for (const [index, { first, count }] of part.entries()) {
        bytes.writeBigUInt64LE(BigInt(first), index * 16);
        bytes.writeBigUInt64LE(BigInt(count), index * 16 + 8);
      }
      await this.#command(requestType.arrived, new PayloadWriter().bytes(bytes));
    }
  }

  /** Rejects with `ESRCH` before {@link lazy}. From now on this connection gets {@link onWanted} and {@link onLazyDone}. */
  lazyState(): Promise<LazyState> {
    return this.#request(requestType.lazyState, new PayloadWriter(), readLazyState);
  }

  /** Kills everything in the cell and ends the keeper. Nothing is written down. */
  shutdown(): Promise<void> {
    return this.#command(requestType.shutdown, new PayloadWriter());
  }

  /** Closes the connection: held jobs of it that are not pinned are aborted. */
  dispose(): void {
    this.#socket.destroy();
    this.#close();
  }

  #command(type: RequestType, writer: PayloadWriter): Promise<void> {
    return this.#request(type, writer, () => undefined);
  }

  #request<T>(
    type: RequestType,
    body: PayloadWriter,
    read: (reader: PayloadReader) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closedError());
      this.#tag = (this.#tag % 0xffff_ffff) + 1;
      const tag = this.#tag;
      const payload = Buffer.concat([new PayloadWriter().u32(tag).finish(), body.finish()]);
      const frame = encodeFrame(type, payload);
      this.#pending.set(tag, { accept: (reader) => resolve(read(reader)), reject });
      this.#socket.write(frame);
    });
  }

  #addJob(id: number, pid: number): KeeperJob {
    let settleHeld: JobEntry['settleHeld'] = () => undefined;
    let settleDone: JobEntry['settleDone'] = () => undefined;
    const held = new Promise<boolean>((resolve) => (settleHeld = resolve));
    const done = new Promise<ExitStatus | undefined>((resolve) => (settleDone = resolve));
    this.#jobs.set(id, { settleHeld, settleDone });
    return { id, pid, held, done };
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#handle(frame);
    } catch {
      // Whatever it is, it does not speak the contract; the pending requests learn that it is gone.
      this.dispose();
    }
  }

  #handle({ type, payload }: Frame): void {
    const reader = new PayloadReader(payload);
    switch (type) {
      case answerType.reply:
      case answerType.error: {
        const tag = reader.u32();
        const request = this.#pending.get(tag);
        if (type === answerType.reply) request?.accept(reader);
        else request?.reject(readError(reader));
        // Only now: were the reply malformed, closing the connection would still settle the request.
        this.#pending.delete(tag);
        return;
      }
      case answerType.held:
        this.#jobs.get(reader.u32())?.settleHeld(true);
        return;
      case answerType.execDone: {
        const id = reader.u32();
        const job = this.#jobs.get(id);
        this.#jobs.delete(id);
        job?.settleHeld(false);
        job?.settleDone(readExitStatus(reader));
        return;
      }
      case answerType.output:
        this.#output.fire({ offset: reader.u64(), data: reader.rest() });
        return;
      case answerType.exited:
        this.#ended.fire(readAppEnd(reader));
        return;
      case answerType.wanted:
        this.#wanted.fire(reader.u64s());
        return;
      case answerType.lazyDone:
        this.#lazyDone.fire();
        return;
      default:
        throw new KeeperError('refused', `Failed to read a frame of type ${type}`);
    }
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const request of this.#pending.values()) request.reject(closedError());
    this.#pending.clear();
    for (const job of this.#jobs.values()) {
      job.settleHeld(false);
      job.settleDone(undefined);
    }
    this.#jobs.clear();
    this.#closed.fire();
  }
}

function closedError(): KeeperError {
  return new KeeperError('closed', 'The keeper closed the connection before it answered.');
}

function readError(reader: PayloadReader): KeeperError {
  const code = errnoName(reader.u32());
  const stage = failureStages[reader.u8()] ?? 'none';
  return new KeeperError('refused', reader.string(), { code, stage });
}

function variables(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}
