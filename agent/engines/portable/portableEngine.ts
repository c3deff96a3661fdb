import { join } from 'node:path';
import { messageOf } from '../../../common/rpc.ts';
import type { Logger } from '../../../common/logger.ts';
import { FlickError, type Finding, type ProcessFacts } from '../../../protocol/index.ts';
import { readArguments, readEnvironment } from '../../procfs/command.ts';
import { readProcLink } from '../../procfs/read.ts';
import { Cell } from '../../processes/cell.ts';
import { makePrivateFolder, removeTree } from '../../processes/cells.ts';
import type { ManagedProcess } from '../../processes/managedProcess.ts';
import type { AgentHome } from '../../state/home.ts';
import { gatherFiles, type FileFacts } from '../criu/facts.ts';
import type { ImageCredentials } from '../criu/images.ts';
import { size } from '../criu/words.ts';
import type {
  CaptureOptions,
  Engine,
  EngineCapture,
  HeldRestore,
  PreparedRestore,
  PrepareOptions,
  RestoreOptions,
  TreeFacts,
} from '../engine.ts';
import { inspectManaged, parseFactsAs, requirePid } from '../managedFacts.ts';
import { callOff, CaptureFailed, holdProgram, rehearseCapture } from '../v8/index.ts';
import { checkPlace, checkProgram } from './checks.ts';
import { earlyVariables, lastingOptions, programFacts, type ProgramFacts } from './facts.ts';
import { capsuleName, FreshProcess } from './freshProcess.ts';
import { portableState } from './node.ts';
import { park, untilGate } from './park.ts';

/** How long a safe point is looked for, in ms. */
const patience = 5_000;
/** How long what Node.js says of its inspector is kept off the terminal, in ms: while it is open, and for the last words. */
const hushFor = 200_000;
const hushAfter = 2_000;
/** Larger programs would stand still for too long in a mere check, in bytes. */
const rehearsedMemory = 512 << 20;

/** Moves Node.js programs between any two devices that have Node.js: agent/engines/v8 as an engine of handoffs. */
export class PortableEngine implements Engine {
  readonly name = 'v8';
  readonly movesMemory = false;
  readonly rebuilds = true;
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

  async inspect(managed: ManagedProcess): Promise<ProgramFacts> {
    const pid = requirePid(managed);
    const { cell } = managed;
    const tree = await inspectManaged(managed);
    const [root] = tree.processes;
    const ids = cell?.userNamespace ?? { uid: root?.uids[0] ?? 0, gid: root?.gids[0] ?? 0 };
    const environment = (await readEnvironment(pid)) ?? new Map<string, string>();
    const early = [...environment].filter(
      ([name, value]) => earlyVariables.test(name) && value.length < 4096,
    );
    const words = (await readArguments(pid)) ?? [];
    return {
      ...tree,
      // Its Node.js and what that maps are the target's own there.
      mappedFiles: [],
      program: {
        node: (await readProcLink(`/proc/${pid}/exe`)) ?? '',
        ...ids,
        environment: Object.fromEntries(early),
        options: words.filter((each) => lastingOptions.test(each)).slice(0, 100),
        redirected: await redirectedStreams(pid),
      },
    };
  }

  async inspectFiles(managed: ManagedProcess): Promise<FileFacts> {
    return { ...(await gatherFiles(managed.pid ?? 0)), mappedFiles: [] };
  }

  async departure(managed: ManagedProcess, facts: TreeFacts): Promise<readonly Finding[]> {
    return checkProgram(facts as ProgramFacts, {
      uid: process.getuid?.() ?? 0,
      inCell: managed.cell !== undefined,
      canPark: (await managed.cell?.canPark()) ?? true,
    });
  }

  /** The program is captured and not written: it stands still for as long as that takes. */
  async rehearse(managed: ManagedProcess, { memoryBytes }: TreeFacts): Promise<readonly Finding[]> {
    const pid = requirePid(managed);
    if (memoryBytes > rehearsedMemory) {
      const what = `Whether every object of the program can be carried shows in the move itself: with ${size(memoryBytes)} of memory a try would hold it up. Until it succeeds nothing happens to the program.`;
      return [{ cause: 'program', severity: 'notes', side: 'source', what }];
    }
    try {
      const dropped = await this.#hushed(managed, () => rehearseCapture(pid));
      return dropped.map((what) => ({
        cause: 'dropped',
        severity: 'warns',
        side: 'source',
        what,
        pid,
      }));
    } catch (error) {
      const explained = this.#explained(error, managed.id);
      if (!(explained instanceof FlickError) || explained.reason === 'processGone') throw explained;
      const { message: what, remedy } = explained;
      return [{ cause: 'program', severity: 'blocks', side: 'source', what, remedy, pid }];
    }
  }

  arrival(facts: TreeFacts, missingBytes: number): Promise<readonly Finding[]> {
    return checkPlace(facts as ProgramFacts, {
      uid: process.getuid?.() ?? 0,
      flickHome: this.#home.root,
      missingBytes,
      statuses: portableState().findings,
    });
  }

  missingBytes(facts: TreeFacts): Promise<number> {
    const roots = facts.packageRoots.filter((each) => each.complete);
    return Promise.resolve(roots.reduce((sum, each) => sum + each.bytes, 0));
  }

  parseFacts(facts: ProcessFacts): ProgramFacts {
    return parseFactsAs(programFacts, facts);
  }

  memoryTasks(): Promise<[]> {
    return Promise.resolve([]);
  }

  async capture<T>(managed: ManagedProcess, options: CaptureOptions<T>): Promise<EngineCapture<T>> {
    const { folder } = options;
    const pid = requirePid(managed);
    await makePrivateFolder(folder);
    const parking = { gate: join(folder, 'gate'), mark: join(folder, capsuleName) };
    const runner = managed.cell ?? (await this.#guard(folder));
    const letGo = async (): Promise<void> => {
      if (managed.cell === undefined) await runner.shutdown();
      await removeTree(folder);
    };
    const inner = managed.cell === undefined ? pid : await runner.innerPid();
    const parked = park(runner, 'dump', inner, parking);
    // Whoever waits for it hears why it failed.
    parked.catch(() => undefined);
    try {
      await untilGate(parking);
      await this.#hush(managed, hushFor);
      const held = await holdProgram({
        pid,
        file: parking.mark,
        gate: parking.gate,
        patienceMs: patience,
        signal: options.signal,
        ...(options.announce === undefined ? {} : { announce: options.announce }),
      });
      const job = await parked;
      const { dropped } = held.report;
      let isOver = false;
      void held.over.then(() => (isOver = true));
      const end = async (goOn: boolean): Promise<void> => {
        try {
          await job.verdict(goOn);
        } catch (error) {
          const what = goOn ? 'ended' : 'let go';
          this.#logger.log('warn', `a program was ${what} without its keeper`, {
            id: managed.id,
            why: messageOf(error),
          });
          // It stands still, and must never go on: it runs elsewhere.
          if (goOn && !isOver) process.kill(pid, 'SIGKILL');
          if (goOn) await held.over;
        } finally {
          if (!goOn) {
            await callOff(parking.gate);
            await held.over;
            await this.#hush(managed, hushAfter);
          }
          await letGo();
        }
      };
      const meanwhile = await options.meanwhile().catch(async (error: unknown) => {
        await callOff(parking.gate);
        await held.over;
        throw error;
      });
      return {
        images: folder,
        meanwhile,
        memory: undefined,
        root: inner,
        terminalKeys: [],
        keepConnections: false,
        dropped,
        frozenAt: held.since,
        pin: () => job.pin(),
        abort: () => end(false),
        release: () => end(true),
      };
    } catch (error) {
      await callOff(parking.gate);
      const job = await parked.catch(() => undefined);
      await job?.verdict(false).catch(() => undefined);
      await this.#hush(managed, hushAfter);
      await letGo();
      throw this.#explained(error, managed.id);
    }
  }

  credentials(_folder: string, facts: TreeFacts): Promise<ImageCredentials> {
    const { uid, gid } = (facts as ProgramFacts).program;
    return Promise.resolve({ uids: new Set([uid]), gids: new Set([gid]) });
  }

  async prepare(id: string, options: PrepareOptions, advance: string): Promise<PreparedRestore> {
    return FreshProcess.start({ ...options, ...this.#told(id), advance });
  }

  async restore(id: string, options: RestoreOptions): Promise<HeldRestore> {
    const fresh = await FreshProcess.start({ ...options, ...this.#told(id) });
    return fresh.restore();
  }

  #told(id: string): { readonly id: string; readonly logger: Logger; readonly log: string } {
    return { id, logger: this.#logger, log: this.#home.log };
  }

  /** What nobody thought of is for the log; people read a sentence. */
  #explained(error: unknown, id: string): unknown {
    if (!(error instanceof CaptureFailed)) return error;
    const { reason, message, remedy, details } = error;
    this.#logger.log('error', 'a program could not be taken apart', { id, details });
    return new FlickError(reason, message, { remedy, logPath: this.#home.log, cause: error });
  }

  async #guard(folder: string): Promise<Cell> {
    return Cell.startGuard({ keeper: await this.#keeper(), folder, logger: this.#logger });
  }

  async #hushed<T>(managed: ManagedProcess, work: () => Promise<T>): Promise<T> {
    await this.#hush(managed, hushFor);
    try {
      return await work();
    } finally {
      await this.#hush(managed, hushAfter);
    }
  }

  async #hush({ cell }: ManagedProcess, ms: number): Promise<void> {
    await cell?.hush(ms).catch(() => false);
  }
}

/** What the standard streams are that no terminal will take the place of. */
async function redirectedStreams(pid: number): Promise<string[]> {
  const found: string[] = [];
  for (const fd of [0, 1, 2]) {
    const target = await readProcLink(`/proc/${pid}/fd/${fd}`);
    if (target === undefined || target === '/dev/null' || isTerminal(target)) continue;
    found.push(target);
  }
  return [...new Set(found)];
}

function isTerminal(path: string): boolean {
  return /^\/dev\/(pts\/\d+|tty\w*|console)$/.test(path);
}
