import { rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../../common/logger.ts';
import { messageOf } from '../../../common/rpc.ts';
import { FlickError, type Finding, type ProcessFacts } from '../../../protocol/index.ts';
import { Cell, type HeldJob } from '../../processes/cell.ts';
import { makePrivateFolder, removeTree } from '../../processes/cells.ts';
import type { ManagedProcess } from '../../processes/managedProcess.ts';
import type { AgentHome } from '../../state/home.ts';
import { dumpThroughHelper } from '../../helper/helperClient.ts';
import type { MemoryTask } from '../../memory/processMemory.ts';
import { isBelow } from '../../files/manifest.ts';
import { seesStandstill } from '../../processes/standstill.ts';
import { readStoppedTree, readTree } from '../../processes/tree.ts';
import { readStatus } from '../../procfs/status.ts';
import type {
  CaptureOptions,
  Engine,
  EngineCapture,
  HeldRestore,
  RestoreOptions,
} from '../engine.ts';
import { inspectManaged, parseFactsAs, requirePid } from '../managedFacts.ts';
import { checkArrival } from './arrivalCheck.ts';
import { criuState, type CriuState } from './binary.ts';
import { dumpArguments, restoreArguments, type CriuCommand } from './commands.ts';
import { checkDeparture } from './departureCheck.ts';
import { explainFailure, isPassing } from './explain.ts';
import { gatherFiles, type FileFacts } from './facts.ts';
import { criuFacts, type CriuFacts } from './factsSchema.ts';
import { readTail } from './logTail.ts';
import { readLeftOut } from './pagemap.ts';
import { hasRemaps, limitCredentials, readCredentials, readTaskIds } from './images.ts';

/** End of a log that is read to explain a failure, in bytes. */
const explainedTail = 4 << 20;
/** How often a dump is tried while children of the process come and go. */
const dumpAttempts = 3;

interface Dump {
  readonly folder: string;
  /** PID of the tree's root where CRIU runs. */
  readonly root: number;
  readonly terminalKeys: readonly string[];
  readonly shellJob: boolean;
  readonly keepConnections: boolean;
  readonly pagesLeftOut: boolean;
}

/** Turns processes into capsules and back with CRIU (https://criu.org). */
export class CriuEngine implements Engine {
  readonly name = 'criu';
  readonly movesMemory = true;
  readonly rebuilds = false;
  readonly #home: AgentHome;
  readonly #keeper: () => Promise<string>;
  readonly #logger: Logger;

  constructor(options: {
    readonly home: AgentHome;
    readonly keeper: () => Promise<string>;
    readonly logger: Logger;
  }) {
    this.#home = options.home;
    this.#keeper = options.keeper;
    this.#logger = options.logger;
  }

  state(refresh = false): Promise<CriuState> {
    return criuState({ flickHome: this.#home.root }, refresh);
  }

  /** Looks at a process while it runs. @throws {FlickError} `processGone` */
  inspect(managed: ManagedProcess): Promise<CriuFacts> {
    return inspectManaged(managed);
  }

  /** Looks at the files of a process that stands still, and at nothing else. @throws {FlickError} `processGone` */
  async inspectFiles(managed: ManagedProcess): Promise<FileFacts> {
    const files = await gatherFiles(managed.pid ?? 0);
    // CRIU lends the tree its log while it looks at it.
    const own = managed.folders.root;
    return { ...files, openFiles: files.openFiles.filter(({ path }) => !isBelow(path, own)) };
  }

  /** What on this device stands in the way of a dump. */
  async departure(
    managed: ManagedProcess,
    facts: CriuFacts,
    helper: boolean,
  ): Promise<readonly Finding[]> {
    const { status } = await this.state();
    const own = checkDeparture(facts, {
      uid: process.getuid?.() ?? 0,
      inCell: managed.cell !== undefined,
      hasHelper: helper,
    });
    return [...status.findings.map((each) => ({ ...each, side: 'source' as const })), ...own];
  }

  /** A dump has no try that would not stop the process. */
  rehearse(): Promise<readonly Finding[]> {
    return Promise.resolve([]);
  }

  /** What on this device stands in the way of a restore. */
  async arrival(
    facts: CriuFacts,
    missingBytes: number,
    userNamespaces: boolean,
  ): Promise<readonly Finding[]> {
    const { status } = await this.state();
    const space = await statfs(this.#home.root);
    return checkArrival(facts, {
      uid: process.getuid?.() ?? 0,
      flickHome: this.#home.root,
      userNamespaces,
      engine: status,
      missingBytes,
      freeBytes: space.bavail * space.bsize,
    });
  }

  /** An estimate without reading a file: what is not here at all, or has another size. In bytes. */
  async missingBytes(facts: CriuFacts): Promise<number> {
    let missing = facts.memoryBytes;
    for (const file of facts.mappedFiles) {
      if (file.deleted) continue;
      const status = await stat(file.path).catch(() => undefined);
      if (status?.size !== file.size) missing += file.size;
    }
    for (const root of facts.packageRoots) if (root.complete) missing += root.bytes;
    return missing;
  }

  parseFacts(facts: ProcessFacts): CriuFacts {
    return parseFactsAs(criuFacts, facts);
  }

  /**
   * Freezes the process and writes its images.
   * @throws {FlickError} `dumpFailed` with the reason in words and the log's path; the process then runs on
   */
  async capture<T>(managed: ManagedProcess, options: CaptureOptions<T>): Promise<EngineCapture<T>> {
    const { folder, facts } = options;
    const { cell } = managed;
    await makePrivateFolder(folder);
    const rootPid = requirePid(managed);
    const root = cell === undefined ? rootPid : await cell.innerPid();
    const shellJob = managed.record.shellJob || !facts.session.leaderInside;
    // A shell's job takes the terminal that CRIU itself sits on when it restores; naming another is in its way.
    const terminalKeys = shellJob
      ? []
      : unique([
          ...(cell === undefined ? [] : [await cell.terminalKey()]),
          ...controllingTerminals(facts, cell !== undefined),
        ]);
    const keepConnections = keepsConnections(facts, cell?.userNamespace !== undefined);
    const pagesLeftOut = options.memoryApart && (await this.#canLeavePagesOut(managed));
    const dump = { folder, root, terminalKeys, shellJob, keepConnections, pagesLeftOut };
    let job: HeldJob;
    let early: Early<T> | undefined;
    try {
      ({ job, early } = await this.#dump(managed, options, dump));
    } catch (error) {
      const failure =
        managed.pid === undefined
          ? new FlickError(
              'processGone',
              `“${managed.record.name}” ended while it was being moved.`,
            )
          : await this.#explain('dump', folder, managed.id, error);
      await removeTree(folder);
      throw failure;
    }
    const end = async (goOn: boolean): Promise<void> => {
      try {
        await job.verdict(goOn);
      } catch (error) {
        // Without CRIU nothing holds it any more: it runs on by itself, or has gone with its keeper.
        if (goOn) throw error;
        this.#logger.log('warn', 'CRIU had ended before', {
          id: managed.id,
          why: messageOf(error),
        });
      } finally {
        await removeTree(folder);
      }
    };
    let memory: EngineCapture['memory'];
    let meanwhile: T;
    try {
      if (pagesLeftOut) {
        const { pages } = await readLeftOut(folder);
        memory = { tasks: await this.memoryTasks(managed, true), pages };
      }
      // The links that CRIU makes for files without a name are files that are to be found.
      const begun = early !== undefined && !(await hasRemaps(folder)) ? early : undefined;
      meanwhile = await (begun?.result ?? options.meanwhile());
    } catch (error) {
      await end(false);
      throw error;
    }
    return {
      images: folder,
      meanwhile,
      memory,
      root,
      terminalKeys,
      keepConnections,
      dropped: [],
      pin: () => job.pin(),
      abort: () => end(false),
      release: () => end(true),
    };
  }

  /** Whose memory is to be read, by the PIDs of this device and of the capsule. */
  async memoryTasks(managed: ManagedProcess, stopped = false): Promise<MemoryTask[]> {
    const read = stopped ? readStoppedTree : readTree;
    const tree = managed.pid === undefined ? undefined : await read(managed.pid);
    const tasks: MemoryTask[] = [];
    for (const { pid } of tree?.processes ?? []) {
      const inner = (await readStatus(pid))?.nsPids.at(-1);
      if (inner !== undefined) tasks.push({ pid, task: managed.cell === undefined ? pid : inner });
    }
    return tasks;
  }

  /** The helper's dumps are read by the agent from their images: it may not look into a process that the helper holds. */
  async #canLeavePagesOut({ cell }: ManagedProcess): Promise<boolean> {
    return cell === undefined ? process.getuid?.() === 0 : cell.canLeavePagesOut();
  }

  /** A child that comes or goes at the wrong moment makes CRIU give up; the process runs on and is tried again. */
  async #dump<T>(
    managed: ManagedProcess,
    { handoff, meanwhile }: CaptureOptions<T>,
    dump: Dump,
  ): Promise<{ readonly job: HeldJob; readonly early: Early<T> | undefined }> {
    const { cell, pid } = managed;
    for (let attempt = 1; ; attempt += 1) {
      const dumping = new AbortController();
      const beginning = begunEarly(pid, meanwhile, dumping.signal);
      try {
        const job = await (cell === undefined
          ? this.#dumpOutside(managed, handoff, dump)
          : this.#dumpIn(cell, dump));
        dumping.abort();
        return { job, early: await beginning };
      } catch (error) {
        dumping.abort();
        const log = (await readTail(join(dump.folder, 'dump.log'), explainedTail)) ?? '';
        if (attempt === dumpAttempts || managed.pid === undefined || !isPassing(log)) throw error;
        this.#logger.log('info', 'dump is tried again', { id: managed.id, why: messageOf(error) });
        await removeTree(dump.folder);
        await makePrivateFolder(dump.folder);
      }
    }
  }

  async #dumpIn(runner: Cell, dump: Dump): Promise<HeldJob> {
    const command = await this.#command({ cell: runner, ...dump });
    return runner.runHeld({
      kind: 'dump',
      argv: dumpArguments(command, dump.root),
      track: dump.root,
      lastPid: 0,
      sessionOnTerminal: false,
      passTerminal: false,
      pageSocket: dump.pagesLeftOut,
      urgent: true,
      output: join(dump.folder, 'criu-output.log'),
    });
  }

  /** A process outside any cell: root dumps it itself, an ordinary user through the helper. */
  async #dumpOutside(managed: ManagedProcess, handoff: string, dump: Dump): Promise<HeldJob> {
    const { adopted } = managed.record;
    if (process.getuid?.() !== 0 && adopted !== null) {
      return dumpThroughHelper(
        {
          id: handoff,
          pid: adopted.pid,
          startTicks: adopted.startTicks,
          shellJob: dump.shellJob,
          keepConnections: dump.keepConnections,
          terminalKeys: [...dump.terminalKeys],
        },
        dump.folder,
      );
    }
    const guard = await Cell.startGuard({
      keeper: await this.#keeper(),
      folder: dump.folder,
      logger: this.#logger,
    });
    try {
      const job = await this.#dumpIn(guard, dump);
      return {
        pin: () => job.pin(),
        verdict: async (goOn) => {
          await job.verdict(goOn);
          await guard.shutdown();
        },
      };
    } catch (error) {
      await guard.shutdown();
      throw error;
    }
  }

  /**
   * Restores images into a fresh cell and holds the tree before its first instruction.
   * @throws {FlickError} `restoreFailed` with the reason in words and the log's path; nothing of it is left running
   */
  async restore(id: string, options: RestoreOptions): Promise<HeldRestore> {
    const { cell, folder } = options;
    const taken = await readTaskIds(folder);
    if (cell.userNamespace !== undefined) await limitCredentials(folder);
    const command = await this.#command({
      folder,
      cell,
      terminalKeys: options.terminalKeys,
      shellJob: options.shellJob,
      keepConnections: options.keepConnections,
      pagesLeftOut: options.lazy,
    });
    let job: HeldJob;
    try {
      job = await cell.runHeld({
        kind: 'restore',
        argv: restoreArguments(command),
        track: options.root,
        lastPid: freeRange(taken),
        sessionOnTerminal: options.shellJob,
        passTerminal: options.terminalKeys.length > 0,
        urgent: true,
        output: join(folder, 'criu-output.log'),
      });
    } catch (error) {
      throw await this.#explain('restore', folder, id, error);
    }
    return {
      pid: await cell.hostPidOf(options.root),
      pin: () => job.pin(),
      resume: async () => {
        try {
          await job.verdict(true);
        } catch (error) {
          throw await this.#explain('restore', folder, id, error);
        }
      },
      abort: async () => {
        await job.verdict(false);
      },
    };
  }

  /** The ids of the capsule's tasks, for deciding which user namespace its cell needs. */
  credentials(folder: string): ReturnType<typeof readCredentials> {
    return readCredentials(folder);
  }

  async #command(options: {
    readonly folder: string;
    readonly cell: Cell;
    readonly terminalKeys: readonly string[];
    readonly shellJob: boolean;
    readonly keepConnections: boolean;
    readonly pagesLeftOut?: boolean;
  }): Promise<CriuCommand> {
    const { binary, status } = await this.state();
    if (binary === undefined || !status.available) {
      throw new FlickError('refused', status.findings[0]?.what ?? 'CRIU does not work here.', {
        remedy: status.findings[0]?.remedy,
      });
    }
    return {
      criu: binary.path,
      images: options.folder,
      unprivileged: options.cell.userNamespace !== undefined,
      shellJob: options.shellJob,
      keepConnections: options.keepConnections,
      terminalKeys: options.terminalKeys,
      pagesLeftOut: options.pagesLeftOut ?? false,
      holdScript: await options.cell.holdScript(),
    };
  }

  async #explain(
    kind: 'dump' | 'restore',
    folder: string,
    id: string,
    cause: unknown,
  ): Promise<FlickError> {
    const log = join(folder, `${kind}.log`);
    const text =
      (await readTail(log, explainedTail)) ??
      (await readTail(join(folder, 'criu-output.log'), explainedTail)) ??
      '';
    const kept = join(this.#home.root, `${kind}-${id}.log`);
    await keepLog(log, join(folder, 'criu-output.log'), kept);
    this.#logger.log('warn', `${kind} failed`, { id, why: messageOf(cause) });
    if (cause instanceof FlickError && cause.reason === 'cancelled') return cause;
    const { what, remedy } =
      text.trim() === '' ? unlogged(kind, messageOf(cause)) : explainFailure(kind, text);
    return new FlickError(kind === 'dump' ? 'dumpFailed' : 'restoreFailed', what, {
      remedy,
      logPath: kept,
      cause,
    });
  }
}

function unlogged(kind: 'dump' | 'restore', why: string): { what: string; remedy: string } {
  const doing = kind === 'dump' ? 'saved' : 'restored';
  return {
    what: `The process could not be ${doing}: ${why}`,
    remedy: 'Try again. It runs on where it was.',
  };
}

/**
 * Terminals that the cell's own takes the place of: the slave a process outside a cell is on, and /dev/tty, which CRIU
 * otherwise wants a terminal inside the tree for (“ctty inheritance detected”; dash and less open it).
 */
function controllingTerminals(facts: CriuFacts, inCell: boolean): string[] {
  return facts.terminals
    .filter((each) => each.role === 'slave')
    .filter((each) => each.path === '/dev/tty' || (!inCell && !each.inside))
    .map((each) => each.key);
}

/** What was begun while CRIU was still at work. */
interface Early<T> {
  readonly result: Promise<T>;
}

/** Begins something as soon as the process stands still. @returns undefined when that was not seen in time */
async function begunEarly<T>(
  pid: number | undefined,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<Early<T> | undefined> {
  if (pid === undefined || !(await seesStandstill(pid, signal))) return undefined;
  const result = work();
  // Whoever waits for it hears why it failed.
  result.catch(() => undefined);
  return { result };
}

function unique(keys: readonly string[]): string[] {
  return [...new Set(keys)];
}

/** Connections inside the tree can be kept only where CRIU may set the state of sockets, and if none leads outside. */
function keepsConnections(facts: CriuFacts, inUserNamespace: boolean): boolean {
  const established = facts.connections.filter((each) => each.protocol === 'tcp');
  return !inUserNamespace && established.length > 0 && established.every((each) => each.inside);
}

/**
 * A PID after which CRIU itself and its helpers find free numbers that no task of the capsule needs: they are started
 * in the same PID namespace first.
 */
function freeRange(taken: ReadonlySet<number>): number {
  const needed = 64;
  let start = 2;
  for (const id of [...taken].sort((a, b) => a - b)) {
    if (id - start > needed) break;
    start = Math.max(start, id + 1);
  }
  return start;
}

async function keepLog(log: string, output: string, kept: string): Promise<void> {
  const content = (await readTail(log, explainedTail)) ?? '';
  const printed = (await readTail(output, explainedTail)) ?? '';
  await rm(kept, { force: true });
  await writeFile(kept, `${content}\n--- what CRIU printed ---\n${printed}`, { mode: 0o600 }).catch(
    () => undefined,
  );
}
