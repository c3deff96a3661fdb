import { constants } from 'node:os';
import type { Disposable } from '../../common/disposable.ts';
import type { Event } from '../../common/event.ts';
import { Deferred } from '../../common/deferred.ts';
import type { Logger } from '../../common/logger.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError, type ExitStatus, type TerminalSize } from '../../protocol/index.ts';
import { connectKeeper, type KeeperClient, type KeeperJob } from '../keeper/keeperClient.ts';
import { KeeperError } from '../keeper/keeperError.ts';
import type { AppEnd, LazyState, PageRange } from '../keeper/keeperMessages.ts';
import { readAppEndRecord, readScrollbackRecord } from '../keeper/keeperRecords.ts';
import { startCell, startGuard, startPlain, type CellOptions } from '../keeper/startKeeper.ts';
import { childrenOf } from '../procfs/children.ts';
import { readStatus } from '../procfs/status.ts';
import { makePrivateFolder } from './cells.ts';
import { signalName } from './signals.ts';

/** How a process's life in a cell ended. */
export type CellEnd =
  | { readonly kind: 'exited'; readonly status: ExitStatus }
  | { readonly kind: 'departed' }
  | { readonly kind: 'lost'; readonly why: string };

export interface HeldExec {
  readonly kind: 'dump' | 'restore';
  readonly argv: readonly [string, ...string[]];
  /** Inner PID of the tree's root. */
  readonly track: number;
  /** Written to ns_last_pid before CRIU starts; 0 leaves it. */
  readonly lastPid: number;
  readonly sessionOnTerminal: boolean;
  readonly passTerminal: boolean;
  /** Hands over the socket for `--ps-socket 8` of a dump with `--lazy-pages`. */
  readonly pageSocket?: boolean;
  /** A process stands still for as long as this takes; see `ExecOptions`. */
  readonly urgent?: boolean;
  /** Receives what CRIU prints. */
  readonly output: string;
}

/** A CRIU that holds at its action script. */
export interface HeldJob {
  /** It now waits for a verdict even when this agent is gone. */
  pin(): Promise<void>;
  /** @throws {Error} when CRIU did not end as the verdict asked */
  verdict(goOn: boolean): Promise<void>;
}

/** A cell and the agent's line to its keeper. */
export class Cell implements Disposable {
  readonly folder: string;
  readonly keeperPid: number;
  readonly userNamespace: { readonly uid: number; readonly gid: number } | undefined;
  readonly #client: KeeperClient;
  readonly #ended = new Deferred<CellEnd>();
  #disposed = false;
  #over = false;

  /** How the process's life here ended; stays pending when the cell was disposed or shut down before. */
  readonly ended: Promise<CellEnd> = this.#ended.promise;

  private constructor(
    folder: string,
    keeperPid: number,
    userNamespace: Cell['userNamespace'],
    client: KeeperClient,
    logger: Logger,
  ) {
    this.folder = folder;
    this.keeperPid = keeperPid;
    this.userNamespace = userNamespace;
    this.#client = client;
    client.onEnded((end) => this.#end(endOf(end)));
    client.onClosed(() => {
      if (this.#disposed || this.#over) return;
      // The keeper writes the exit status before it leaves, and a killed one writes nothing.
      readAppEndRecord(folder)
        .then((end) =>
          this.#end(
            end === undefined
              ? { kind: 'lost', why: 'Its keeper was killed, and the process with it.' }
              : endOf(end),
          ),
        )
        .catch((error: unknown) =>
          logger.log('error', 'how a cell ended could not be read', { error: messageOf(error) }),
        );
    });
  }

  /** @throws {FlickError} `notSupported` when the device cannot make the cell, with the reason in words */
  static async start(
    options: Omit<CellOptions, 'dir'> & { readonly folder: string; readonly logger: Logger },
  ): Promise<Cell> {
    const { folder, logger, ...rest } = options;
    await makePrivateFolder(folder);
    const keeperPid = await explained(startCell({ ...rest, dir: folder }));
    const client = await connectKeeper(folder);
    return new Cell(folder, keeperPid, options.userNamespace, client, logger);
  }

  /** Without namespaces, where the device has none for this user: the process is a plain child of the keeper. */
  static async startPlain(options: {
    readonly keeper: string;
    readonly folder: string;
    readonly logger: Logger;
  }): Promise<Cell> {
    const { keeper, folder, logger } = options;
    await makePrivateFolder(folder);
    const keeperPid = await explained(startPlain({ keeper, dir: folder }));
    return new Cell(folder, keeperPid, undefined, await connectKeeper(folder), logger);
  }

  /** A keeper outside any namespace, which dumps a process of the host. */
  static async startGuard(options: {
    readonly keeper: string;
    readonly folder: string;
    readonly criuUser?: number;
    readonly logger: Logger;
  }): Promise<Cell> {
    const { keeper, folder, criuUser } = options;
    await makePrivateFolder(folder);
    const keeperPid = await explained(startGuard({ keeper, dir: folder, criuUser }));
    const client = await connectKeeper(options.folder);
    return new Cell(options.folder, keeperPid, undefined, client, options.logger);
  }

  /** Finds the keeper of an earlier daemon again. @returns undefined when there is none any more */
  static async reconnect(
    folder: string,
    keeperPid: number,
    userNamespace: Cell['userNamespace'],
    logger: Logger,
  ): Promise<Cell | undefined> {
    try {
      return new Cell(folder, keeperPid, userNamespace, await connectKeeper(folder), logger);
    } catch (error) {
      if (error instanceof KeeperError && error.reason === 'connect') return undefined;
      throw error;
    }
  }

  /** The files as the process sees them. */
  get view(): string {
    return `/proc/${this.keeperPid}/root`;
  }

  /** @returns its PID inside the cell. @throws {FlickError} `launchFailed` with the reason in words */
  async launch(options: {
    readonly program: string;
    readonly argv: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
    readonly cwd: string;
    readonly size: TerminalSize;
    readonly reservedDescriptors?: number;
  }): Promise<number> {
    try {
      return await this.#client.launch({
        program: options.program,
        argv: options.argv,
        env: options.environment,
        cwd: options.cwd,
        columns: options.size.columns,
        rows: options.size.rows,
        reservedDescriptors: options.reservedDescriptors ?? 0,
      });
    } catch (error) {
      if (!(error instanceof KeeperError)) throw error;
      const where = error.stage === 'cwd' ? `the folder ${options.cwd}` : options.program;
      throw new FlickError('launchFailed', `${where} could not be used: ${reasonOf(error)}.`, {
        cause: error,
      });
    }
  }

  async innerPid(): Promise<number> {
    return (await this.#client.state()).appPid;
  }

  async terminalKey(): Promise<string> {
    return (await this.#client.state()).terminalKey;
  }

  /** PID of the app as this device sees it. @throws {FlickError} `processGone` */
  async appPid(): Promise<number> {
    return this.hostPidOf(await this.innerPid());
  }

  /** PID, as this device sees it, of the process that has `inner` in the cell. @throws {FlickError} `processGone` */
  async hostPidOf(inner: number): Promise<number> {
    const pending = [this.keeperPid];
    for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) {
      const status = await readStatus(pid);
      if (status?.nsPids.at(-1) === inner && pid !== this.keeperPid) return pid;
      for (const child of await childrenOf(pid)) pending.push(child);
    }
    throw new FlickError('processGone', 'The process ended at once.');
  }

  /** Its keeper knows how to run a dump that leaves the pages in the process. */
  async canLeavePagesOut(): Promise<boolean> {
    return (await this.#client.state()).canLeavePages;
  }

  /** Its keeper can hold a process that stands still by itself (agent/keeper/README.md, "Park"). */
  async canPark(): Promise<boolean> {
    return (await this.#client.state()).canPark;
  }

  /** CRIU's action script that makes it hold. */
  async holdScript(): Promise<string> {
    return (await this.#client.state()).holdScript;
  }

  /**
   * Runs CRIU until it holds.
   * @throws {Error} when it ended before that: its log says why
   */
  async runHeld(exec: HeldExec): Promise<HeldJob> {
    const job = await this.#client.exec({
      kind: exec.kind,
      argv: exec.argv,
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      trackPid: exec.track,
      ...(exec.lastPid > 0 ? { lastPid: exec.lastPid } : {}),
      outputPath: exec.output,
      hold: true,
      sessionOnPty: exec.sessionOnTerminal,
      ptyDescriptor: exec.passTerminal,
      pageSocket: exec.pageSocket === true,
      urgent: exec.urgent === true,
    });
    if (!(await job.held)) {
      const status = await job.done;
      throw new Error(`CRIU ended with ${JSON.stringify(status)} before it held.`);
    }
    return this.#heldJob(job);
  }

  /**
   * The pinned job that an earlier daemon left behind, if any. A restore that was told to go on and has not ended yet is
   * one too: its verdict only waits for how it ends.
   */
  async pendingHold(): Promise<
    | {
        readonly kind: 'dump' | 'restore';
        readonly job: HeldJob;
      }
    | undefined
  > {
    const { jobs } = await this.#client.state();
    for (const { id, kind, phase, goOn } of jobs) {
      if (kind === 'plain') continue;
      const resuming = kind === 'restore' && phase === 'decided' && goOn;
      if (phase !== 'held' && !resuming) continue;
      const job = await this.#client.claim(id);
      return { kind, job: this.#heldJob(job, resuming) };
    }
    return undefined;
  }

  /** Stops everything in the cell, or lets it go on. It stays so without this agent. */
  async halt(stopped: boolean): Promise<void> {
    const { SIGSTOP, SIGCONT } = constants.signals;
    await this.#client.signal(stopped ? SIGSTOP : SIGCONT, 'all');
  }

  /** Whether the keeper can serve the pages of a restore that begins without them. */
  async canLazy(): Promise<boolean> {
    return (await this.#client.state()).canLazy;
  }

  /** See {@link KeeperClient.lazy}. */
  async lazy(folder: string): Promise<void> {
    await this.#client.lazy(folder);
  }

  async arrived(ranges: readonly PageRange[]): Promise<void> {
    await this.#client.arrived(ranges);
  }

  async lazyState(): Promise<LazyState> {
    return this.#client.lazyState();
  }

  /** Page numbers that the process waits for. */
  get onWanted(): Event<readonly number[]> {
    return this.#client.onWanted;
  }

  /** The process has all of its pages. */
  get onLazyDone(): Event<void> {
    return this.#client.onLazyDone;
  }

  async signal(signal: number): Promise<void> {
    await this.#client.signal(signal, 'app');
  }

  async input(data: Uint8Array): Promise<void> {
    await this.#client.input(data);
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#client.resize(size.columns, size.rows);
  }

  /**
   * Keeps what Node.js prints of its inspector out of the terminal and its scrollback for `ms` ms, up to 600,000, in
   * place of what an earlier call said; 0 ends it.
   * @returns false when the keeper cannot do so: it is a guard, or of an agent before this one
   */
  async hush(ms: number): Promise<boolean> {
    // Not simply tried: a keeper closes the connection over a request that it does not know.
    if (!(await this.#client.state()).canHush) return false;
    await this.#client.hush(ms);
    return true;
  }

  async preload(base: number, bytes: Buffer): Promise<void> {
    await this.#client.preload(base, bytes);
  }

  /** All output that is kept, and the offset of its first byte. */
  async scrollback(): Promise<{ readonly base: number; readonly bytes: Buffer }> {
    const { scrollback } = await this.#client.state();
    const viewer = await this.viewer();
    try {
      const pieces: Buffer[] = [];
      let base = scrollback.start;
      let next = scrollback.start;
      await new Promise<void>((resolve) => {
        const finish = (): void => resolve();
        viewer.onClosed(finish);
        viewer.onOutput(({ offset, data }) => {
          if (offset !== next) {
            pieces.length = 0;
            base = offset;
          }
          pieces.push(data);
          next = offset + data.length;
          if (next >= scrollback.end) finish();
        });
        if (scrollback.start === scrollback.end) finish();
        else viewer.subscribe(scrollback.start).catch(finish);
      });
      return { base, bytes: Buffer.concat(pieces) };
    } finally {
      viewer.dispose();
    }
  }

  /** A connection of its own to the keeper, so that a slow viewer holds up nobody else. */
  async viewer(): Promise<KeeperClient> {
    return connectKeeper(this.folder);
  }

  /** What the keeper left in the scrollback when the process ended. */
  static async keptOutput(
    folder: string,
  ): Promise<{ readonly base: number; readonly bytes: Buffer } | undefined> {
    const kept = await readScrollbackRecord(folder);
    return kept === undefined ? undefined : { base: kept.start, bytes: kept.data };
  }

  /** Ends everything in the cell. */
  async shutdown(): Promise<void> {
    this.#over = true;
    await this.#client.shutdown().catch(() => undefined);
    this.#client.dispose();
  }

  /** Lets go of the keeper, which goes on by itself. */
  dispose(): void {
    this.#disposed = true;
    this.#client.dispose();
  }

  #heldJob(job: KeeperJob, isDecided = false): HeldJob {
    return {
      pin: () => this.#client.pin(job.id),
      verdict: async (goOn) => {
        if (!isDecided) await this.#client.verdict(job.id, goOn);
        const status = await job.done;
        const well = status?.kind === 'code' && status.code === 0;
        if (goOn && !well) throw new Error(`CRIU ended with ${JSON.stringify(status)}.`);
      },
    };
  }

  /** Its keeper has gone, and all that was in it. */
  get isOver(): boolean {
    return this.#over;
  }

  #end(end: CellEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended.resolve(end);
  }
}

function endOf(end: AppEnd): CellEnd {
  switch (end.kind) {
    case 'departed':
      return { kind: 'departed' };
    case 'code':
      return { kind: 'exited', status: { exitCode: end.code, signal: null } };
    case 'signal':
      return { kind: 'exited', status: { exitCode: null, signal: signalName(end.signal) } };
  }
}

async function explained(start: Promise<number>): Promise<number> {
  try {
    return await start;
  } catch (error) {
    throw new FlickError('notSupported', `This device could not make a cell: ${messageOf(error)}`, {
      remedy: 'flick doctor DEVICE says what is missing; flick device setup DEVICE mends it.',
      cause: error,
    });
  }
}

function reasonOf(error: KeeperError): string {
  switch (error.code) {
    case 'ENOENT':
      return 'it does not exist (or the program that it names in its first line does not)';
    case 'EACCES':
      return 'permission denied';
    case 'ENOEXEC':
      return 'it is not a program for this device';
    default:
      return error.message;
  }
}
