import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { toDisposable, type Disposable } from '../../common/disposable.ts';
import { Emitter } from '../../common/event.ts';
import type { Logger } from '../../common/logger.ts';
import { messageOf } from '../../common/rpc.ts';
import {
  FlickError,
  type adoptProcess,
  type launchProcess,
  type ParamsOf,
} from '../../protocol/index.ts';
import { debuggedEnvironment } from '../debug/launch.ts';
import { hasNamespaces } from '../device/userNamespaces.ts';
import { recoverHomecoming } from '../files/homecomingJournal.ts';
import { keepLayer, KeptFiles } from '../files/keptFiles.ts';
import type { HandoffLedger } from '../handoff/ledger.ts';
import { keptFilesFolder } from '../memory/memoryFolders.ts';
import { readValidated } from '../state/durable.ts';
import type { AgentHome } from '../state/home.ts';
import { randomId } from '../state/ids.ts';
import { currentUser } from '../state/user.ts';
import { adoptableRoot, isAlive } from './adoption.ts';
import { Cell } from './cell.ts';
import { cellFolder, processFolders, removeTree } from './cells.ts';
import { findProgram, launchEnvironment } from './environment.ts';
import { removeImagesOfKilled, sweepUnrecorded } from './leftovers.ts';
import { ManagedProcess } from './managedProcess.ts';
import { processRecord, type ProcessRecord } from './record.ts';
import { recover } from './recovery.ts';

/** How often watched processes are looked at, in ms. */
const sampleInterval = 2000;
/** How often an adopted process is looked at: it is nobody's child here, so nothing tells of its end. In ms. */
const adoptedInterval = 1000;

/** How long the keeper of a process that has left may take to end, in ms. */
const keeperPatience = 2000;

const defaultTerminal = { columns: 80, rows: 24 };

export interface ProcessesOptions {
  readonly home: AgentHome;
  readonly deviceId: string;
  readonly bootId: string;
  readonly ledger: HandoffLedger;
  readonly logger: Logger;
  /** Path of the keeper's executable. */
  readonly keeper: () => Promise<string>;
}

/** All processes of this agent: launches, adopts, finds again after a restart, and tells who listens of changes. */
export class Processes implements Disposable {
  readonly #options: ProcessesOptions;
  readonly #processes = new Map<string, ManagedProcess>();
  readonly #changed = new Emitter<ManagedProcess>();
  readonly #removed = new Emitter<string>();
  #samplers = 0;
  #timer: NodeJS.Timeout | undefined;
  #adoptedTimer: NodeJS.Timeout | undefined;

  readonly onDidChange = this.#changed.event;
  readonly onDidRemove = this.#removed.event;

  constructor(options: ProcessesOptions) {
    this.#options = options;
  }

  get deviceId(): string {
    return this.#options.deviceId;
  }

  get bootId(): string {
    return this.#options.bootId;
  }

  get home(): AgentHome {
    return this.#options.home;
  }

  /** Finds the processes of an earlier daemon again through their keepers. */
  async load(): Promise<void> {
    for (const id of await readdir(this.#options.home.processes)) {
      const folders = processFolders(this.#options.home, id);
      try {
        const record = await readValidated(folders.record, processRecord);
        if (record === undefined) {
          await sweepUnrecorded(folders, this.#options.logger);
          continue;
        }
        await this.#recover(new ManagedProcess(folders, record, this.#options.deviceId));
      } catch (error) {
        this.#options.logger.log('error', 'a process record could not be read', {
          id,
          error: messageOf(error),
        });
      }
    }
    this.#watchAdopted();
  }

  list(): readonly ManagedProcess[] {
    return [...this.#processes.values()];
  }

  find(id: string): ManagedProcess | undefined {
    return this.#processes.get(id);
  }

  /** @throws {FlickError} `noSuchProcess` */
  get(id: string): ManagedProcess {
    const found = this.#processes.get(id);
    if (found === undefined) {
      throw new FlickError('noSuchProcess', `There is no process ${id} on this device.`);
    }
    return found;
  }

  /** PIDs of the roots of all live processes, which are no candidates for adoption. */
  pids(): ReadonlySet<number> {
    return new Set(this.list().flatMap((each) => (each.pid === undefined ? [] : [each.pid])));
  }

  get hasLive(): boolean {
    return this.list().some((each) => each.isLive);
  }

  /**
   * @throws {FlickError} `launchFailed` when the program or the working directory is not there or may not be used,
   * `notSupported` when this device cannot make cells
   */
  async launch(params: ParamsOf<typeof launchProcess>): Promise<ManagedProcess> {
    const cwd = params.cwd ?? currentUser().home;
    const folder = await stat(cwd).catch(() => undefined);
    if (folder?.isDirectory() !== true) {
      throw new FlickError('launchFailed', `There is no folder ${cwd} on the device.`, {
        remedy: 'Create it there, or choose another working directory (--cwd).',
      });
    }
    const [command, ...rest] = params.command;
    if (command === undefined) throw new FlickError('invalidRequest', 'A command is needed.');
    const asked = launchEnvironment(params.env ?? {}, cwd);
    const program = await findProgram(command, asked['PATH'] ?? '', cwd);
    const record = this.#newRecord({
      name: params.name ?? basename(command),
      command: params.command,
      cwd,
      origin: 'launched',
      carry: params.carry ?? [],
      terminal: params.terminal ?? defaultTerminal,
    });
    const folders = processFolders(this.#options.home, record.id);
    await mkdir(folders.root, { recursive: true, mode: 0o700 });
    let cell: Cell | undefined;
    try {
      const environment =
        params.debug?.wait === true
          ? await debuggedEnvironment(asked, record.id, folders.root)
          : asked;
      const place = {
        keeper: await this.#options.keeper(),
        folder: cellFolder(folders, 1),
        logger: this.#options.logger,
      };
      cell = (await hasNamespaces())
        ? await Cell.start({ ...place, userNamespace: ownIds(), overlays: [], binds: [] })
        : await Cell.startPlain(place);
      const inner = await cell.launch({
        program,
        argv: [command, ...rest],
        environment,
        cwd,
        size: record.terminal,
      });
      const managed = new ManagedProcess(folders, record, this.#options.deviceId);
      await managed.update({
        cell: {
          number: 1,
          keeperPid: cell.keeperPid,
          userNamespace: cell.userNamespace ?? null,
          layered: false,
        },
      });
      this.#add(managed);
      // A program that ended at once has no PID any more, and its end is on its way.
      this.adoptCell(managed, cell, await cell.hostPidOf(inner).catch(() => undefined));
      return managed;
    } catch (error) {
      await cell?.shutdown();
      await removeTree(folders.root);
      throw error;
    }
  }

  /**
   * Takes over a process that runs outside Flick. Nothing about it changes until it moves.
   * @throws {FlickError} `processGone`, `notYours`, `alreadyManaged`, `notSupported`
   */
  async adopt(params: ParamsOf<typeof adoptProcess>): Promise<ManagedProcess> {
    const root = await adoptableRoot(params.pid, this.list());
    const record = this.#newRecord({
      name: params.name ?? root.name,
      command: root.command,
      cwd: root.cwd,
      origin: 'adopted',
      carry: params.carry ?? [],
      terminal: defaultTerminal,
    });
    const folders = processFolders(this.#options.home, record.id);
    await mkdir(folders.root, { recursive: true, mode: 0o700 });
    const managed = new ManagedProcess(folders, record, this.#options.deviceId);
    await managed.update({
      startedAt: root.startedAt,
      hasTerminal: false,
      adopted: { pid: params.pid, startTicks: root.startTicks },
    });
    managed.enterHost(params.pid);
    this.#add(managed);
    this.#watchAdopted();
    return managed;
  }

  /** Makes a process that has arrived part of this device. */
  arrive(record: ProcessRecord): ManagedProcess {
    const folders = processFolders(this.#options.home, record.id);
    return this.#add(new ManagedProcess(folders, record, this.#options.deviceId));
  }

  /** Lets the process live in the cell and follows how it ends there. */
  adoptCell(managed: ManagedProcess, cell: Cell, pid: number | undefined): void {
    managed.enterCell(cell, pid);
    cell.ended
      .then(async (end) => {
        if (managed.cell !== cell) return;
        if (end.kind === 'exited') await managed.ended(end.status);
        if (end.kind === 'lost') {
          await managed.lost(end.why);
          await removeImagesOfKilled(managed, cell);
        }
      })
      .catch((error: unknown) =>
        this.#options.logger.log('error', 'an end could not be recorded', {
          id: managed.id,
          error: messageOf(error),
        }),
      );
  }

  /** Dismisses a process that does not run, or one that was adopted (which then runs on by itself). */
  async forget(id: string): Promise<void> {
    const managed = this.get(id);
    if (managed.handoff !== undefined) {
      throw new FlickError('busy', `“${managed.record.name}” is being moved just now.`);
    }
    if (managed.serving !== undefined) managed.requireHere();
    // Whatever stands still here may be the only copy there is.
    if (managed.isLive && managed.doubt !== undefined) managed.requireHere();
    if (managed.isLive && managed.record.adopted === null) {
      throw new FlickError('refused', `“${managed.record.name}” still runs.`, {
        remedy: 'Stop it first (flick kill).',
      });
    }
    this.drop(managed);
    await removeTree(managed.folders.root);
  }

  /** Takes it off the list; its folder is the caller's business. */
  drop(managed: ManagedProcess): void {
    this.#processes.delete(managed.id);
    this.#removed.fire(managed.id);
    managed.dispose();
  }

  /**
   * The process runs elsewhere: nothing of it stays but, at home, what its files were when it left, and away from home its
   * large files, for when it comes back.
   */
  async leave(managed: ManagedProcess): Promise<void> {
    // The keeper writes down that it has departed before it ends; its folder must not go under its hands.
    const gone = delay(keeperPatience, undefined, { ref: false });
    await Promise.race([managed.cell?.ended ?? Promise.resolve(), gone]);
    this.drop(managed);
    await rm(managed.folders.record, { force: true });
    const { home, logger } = this.#options;
    const kept = new KeptFiles(keptFilesFolder(home, managed.id));
    for (const entry of await readdir(managed.folders.root)) {
      if (entry.startsWith('layer-') && !managed.atHome) {
        await keepLayer(kept, home.root, join(managed.folders.root, entry)).catch(
          (error: unknown) =>
            logger.log('warn', 'its files were not kept', { error: messageOf(error) }),
        );
      }
      if (managed.atHome && join(managed.folders.root, entry) === managed.folders.away) continue;
      await removeTree(join(managed.folders.root, entry));
    }
    if (!managed.atHome) await removeTree(managed.folders.root);
  }

  /** Looks at all live trees once. */
  async refresh(): Promise<void> {
    await Promise.all(
      this.list().map(async (each) => {
        if (await each.refresh().catch(() => false)) this.#changed.fire(each);
      }),
    );
  }

  /** Samples memory, ports and trees until disposed; nothing is sampled when nobody asks. */
  sample(): Disposable {
    this.#samplers += 1;
    this.#timer ??= setInterval(() => void this.refresh(), sampleInterval).unref();
    return toDisposable(() => {
      this.#samplers -= 1;
      if (this.#samplers > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
  }

  dispose(): void {
    clearInterval(this.#timer);
    clearInterval(this.#adoptedTimer);
    for (const each of this.#processes.values()) each.dispose();
    this.#changed.dispose();
    this.#removed.dispose();
  }

  async #recover(managed: ManagedProcess): Promise<void> {
    const recovered = await recover(managed, this.#options);
    switch (recovered.kind) {
      case 'arrivedNever':
        await recovered.cell?.shutdown();
        await recoverHomecoming(managed.folders.journal, 'abort');
        await this.leave(managed);
        return;
      case 'departed':
        await this.leave(managed);
        return;
      case 'lives':
        this.#add(managed);
        this.adoptCell(managed, recovered.cell, recovered.pid);
        return;
      case 'livesOutside':
        this.#add(managed);
        managed.enterHost(recovered.pid);
        return;
      case 'stays':
        this.#add(managed);
        return;
    }
  }

  #add(managed: ManagedProcess): ManagedProcess {
    this.#processes.set(managed.id, managed);
    managed.onDidChange(() => {
      if (this.#processes.get(managed.id) === managed) this.#changed.fire(managed);
    });
    this.#changed.fire(managed);
    return managed;
  }

  #watchAdopted(): void {
    this.#adoptedTimer ??= setInterval(() => {
      const adopted = this.list().filter((each) => each.isLive && each.record.cell === null);
      if (adopted.length === 0) {
        clearInterval(this.#adoptedTimer);
        this.#adoptedTimer = undefined;
        return;
      }
      for (const each of adopted) {
        const mark = each.record.adopted;
        if (mark === null || each.handoff !== undefined) continue;
        void isAlive(mark).then(async (alive) => {
          if (!alive && each.handoff === undefined) {
            await each.ended({ exitCode: null, signal: null });
          }
        });
      }
    }, adoptedInterval).unref();
  }

  #newRecord(
    given: Pick<ProcessRecord, 'name' | 'command' | 'cwd' | 'origin' | 'carry' | 'terminal'>,
  ): ProcessRecord {
    return {
      version: 1,
      id: randomId('p', 10),
      ...given,
      hasTerminal: true,
      home: {
        deviceId: this.#options.deviceId,
        hostName: hostname(),
        user: currentUser().name,
      },
      startedAt: Date.now(),
      moves: 0,
      shellJob: false,
      terminalIndex: 0,
      bootId: this.#options.bootId,
      cell: null,
      adopted: null,
      exit: null,
      lost: null,
      remark: null,
      arriving: null,
    };
  }
}

/** The ids a cell of this user maps, or undefined for root, whose cells need no user namespace. */
export function ownIds(): { uid: number; gid: number } | undefined {
  const { uid, gid } = currentUser();
  return uid === 0 ? undefined : { uid, gid };
}
