import type { Disposable } from '../../common/disposable.ts';
import { Emitter } from '../../common/event.ts';
import {
  FlickError,
  type ArrivingMemory,
  type ExitStatus,
  type HandoffStep,
  type ProcessDoubt,
  type ProcessInfo,
  type ProcessNode,
  type ListeningPort,
  type ProcessState,
  type TerminalSize,
} from '../../protocol/index.ts';
import { writeDurably } from '../state/durable.ts';
import type { Cell } from './cell.ts';
import type { ProcessFolders } from './cells.ts';
import type { ProcessRecord } from './record.ts';
import { signalNumber } from './signals.ts';
import { listeningPorts, nodesOf, readTree, treeRss } from './tree.ts';
import { TerminalViewer } from './terminalViewer.ts';
import { typeInto } from './typeInto.ts';

/** A handoff that is under way, as the tree shows it. */
/** How often is said how far a move has come, in ms: on a slow link what is said of it costs time as well. */
export const progressInterval = 250;

export interface ActiveHandoff {
  readonly id: string;
  readonly role: 'source' | 'target';
  readonly peer: string;
  step: HandoffStep;
  doneBytes: number;
  totalBytes: number;
}

interface Sample {
  readonly rssBytes: number;
  readonly ports: readonly ListeningPort[];
  readonly tree: readonly ProcessNode[];
  readonly stopped: boolean;
}

/** One process that this agent manages, from its launch, adoption or arrival to its end or departure. */
export class ManagedProcess implements Disposable {
  readonly folders: ProcessFolders;
  readonly #changed = new Emitter<void>();
  readonly #ended = new Emitter<ExitStatus>();
  readonly #left = new Emitter<void>();
  readonly #ownDeviceId: string;
  #record: ProcessRecord;
  #cell: Cell | undefined;
  #pid: number | undefined;
  #sample: Sample | undefined;
  #handoff: ActiveHandoff | undefined;
  /** Pages of its memory that are still on their way. */
  #memory: ArrivingMemory | undefined;
  /** It runs on another device, which fetches memory from what stands still here. */
  #progressToldAt = 0;
  #serving: ActiveHandoff | undefined;
  /** By their handoffs: it can have come by one that is not confirmed, and be leaving by another. */
  readonly #doubts = new Map<string, ProcessDoubt>();
  #saving: Promise<void> = Promise.resolve();
  /** What was typed since the process stands still; undefined while it runs. */
  #heldInput: Buffer[] | undefined;

  readonly onDidChange = this.#changed.event;
  /** It begins to run on another device; what is here stays for its memory. */
  readonly onDidLeave = this.#left.event;

  constructor(folders: ProcessFolders, record: ProcessRecord, ownDeviceId: string) {
    this.folders = folders;
    this.#record = record;
    this.#ownDeviceId = ownDeviceId;
  }

  get id(): string {
    return this.#record.id;
  }

  get record(): ProcessRecord {
    return this.#record;
  }

  get cell(): Cell | undefined {
    return this.#cell;
  }

  get handoff(): ActiveHandoff | undefined {
    return this.#handoff;
  }

  /** PID of the root as this device sees it; undefined when it does not run here. */
  get pid(): number | undefined {
    return this.isLive ? this.#pid : undefined;
  }

  get isLive(): boolean {
    return this.#record.exit === null && this.#record.lost === null;
  }

  get atHome(): boolean {
    return this.#record.home.deviceId === this.#ownDeviceId;
  }

  /** Changes the record, durably. Changes of one process are written in the order in which they were made. */
  async update(change: Partial<ProcessRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    const content = `${JSON.stringify(this.#record)}\n`;
    this.#saving = this.#saving
      .catch(() => undefined)
      .then(() => writeDurably(this.folders.record, content));
    this.#changed.fire();
    await this.#saving;
  }

  /** Takes the process to live in a cell with the given root PID. */
  enterCell(cell: Cell, pid: number | undefined): void {
    this.#cell = cell;
    this.#pid = pid;
    this.#changed.fire();
  }

  /** An adopted process of the device. */
  enterHost(pid: number): void {
    this.#pid = pid;
    this.#changed.fire();
  }

  /** Says that a handoff leaves it in doubt, or no longer does. */
  setDoubt(handoff: string, doubt: ProcessDoubt | undefined): void {
    if (JSON.stringify(doubt) === JSON.stringify(this.#doubts.get(handoff))) return;
    if (doubt === undefined) this.#doubts.delete(handoff);
    else this.#doubts.set(handoff, doubt);
    this.#changed.fire();
  }

  get doubt(): ProcessDoubt | undefined {
    const [first] = this.#doubts.values();
    return first;
  }

  /** @throws {FlickError} `busy`, `inDoubt`, `processGone` when it cannot be moved now */
  requireMovable(): void {
    if (this.#handoff !== undefined) {
      const { role, peer } = this.#handoff;
      throw new FlickError(
        'busy',
        `“${this.#record.name}” is already being moved ${role === 'source' ? 'to' : 'from'} ${peer}.`,
        { remedy: 'Wait until that move is over, or cancel it.' },
      );
    }
    this.requireHere();
    if (this.#memory !== undefined) {
      throw new FlickError(
        'busy',
        `The memory of “${this.#record.name}” is still arriving from ${this.#memory.from}.`,
        { remedy: 'It runs meanwhile. Move it on when all of it is here.' },
      );
    }
  }

  /** It runs, but cannot be moved on until all of its memory is here. @param memory undefined: all is here */
  setArrivingMemory(memory: ArrivingMemory | undefined): void {
    const before = this.#memory;
    this.#memory = memory;
    if (percentOf(before) !== percentOf(memory)) this.#changed.fire();
  }

  get arrivingMemory(): ArrivingMemory | undefined {
    return this.#memory;
  }

  /** It runs on another device and fetches memory from here, or no longer does. */
  setServing(serving: ActiveHandoff | undefined): void {
    const began = this.#serving === undefined && serving !== undefined;
    this.#serving = serving;
    if (began) this.#left.fire();
    this.#changed.fire();
  }

  get serving(): ActiveHandoff | undefined {
    return this.#serving;
  }

  /** @throws {FlickError} `busy` while it stands still for a move, `inDoubt`, `processGone` */
  requireHere(): void {
    if (this.#handoff !== undefined && !['check', 'copy'].includes(this.#handoff.step)) {
      throw new FlickError('busy', `“${this.#record.name}” is being moved or saved just now.`, {
        remedy: 'Try again when that is over.',
      });
    }
    if (this.#serving !== undefined && this.doubt === undefined) {
      const { peer } = this.#serving;
      throw new FlickError('busy', `“${this.#record.name}” runs on ${peer}.`, {
        remedy: `What is here of it is there for its memory, which ${peer} still fetches.`,
      });
    }
    const { doubt } = this;
    if (doubt !== undefined) {
      throw new FlickError('inDoubt', `It is not known yet where “${this.#record.name}” runs.`, {
        remedy: `Connect ${doubt.peer}; Flick then settles the move. If it is gone for ever: flick resolve ${this.#record.id}`,
      });
    }
    if (!this.isLive) throw this.#gone();
  }

  /** @throws {FlickError} `busy` when it is in a handoff already, `processGone` when it does not run */
  beginHandoff(handoff: ActiveHandoff): void {
    this.requireMovable();
    this.#handoff = handoff;
    this.#changed.fire();
  }

  progress(step: HandoffStep, doneBytes: number, totalBytes: number): void {
    if (this.#handoff === undefined) return;
    const isNew = this.#handoff.step !== step;
    Object.assign(this.#handoff, { step, doneBytes, totalBytes });
    const now = performance.now();
    if (!isNew && now - this.#progressToldAt < progressInterval) return;
    this.#progressToldAt = now;
    this.#changed.fire();
  }

  endHandoff(): void {
    this.#handoff = undefined;
    this.#changed.fire();
  }

  /** Records how it ended. A process that is in the middle of leaving does not end, it leaves. */
  async ended(exit: ExitStatus): Promise<void> {
    if (!this.isLive) return;
    await this.update({ exit });
    this.#sample = undefined;
    this.#ended.fire(exit);
  }

  async lost(why: string): Promise<void> {
    if (!this.isLive) return;
    await this.update({ lost: why });
    this.#sample = undefined;
    this.#ended.fire({ exitCode: null, signal: null });
  }

  /** @throws {FlickError} `invalidRequest` for a signal that does not exist, `processGone` when it has ended */
  async signal(name: string): Promise<void> {
    const number = signalNumber(name);
    this.requireHere();
    if (this.#pid === undefined) throw this.#gone();
    if (this.#cell !== undefined) await this.#cell.signal(number);
    else process.kill(this.#pid, number);
  }

  /** Resolves when it has ended. Rejects with `cancelled` when the caller goes away, `linkLost`-free. */
  async wait(signal: AbortSignal): Promise<ExitStatus> {
    const { exit, lost } = this.#record;
    if (exit !== null) return exit;
    if (lost !== null) return { exitCode: null, signal: null };
    return new Promise((resolve, reject) => {
      const subscription = this.#ended.event((status) => {
        signal.removeEventListener('abort', onAbort);
        subscription.dispose();
        resolve(status);
      });
      const onAbort = (): void => {
        subscription.dispose();
        reject(new FlickError('cancelled', 'Waiting was cancelled.'));
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  async rename(name: string): Promise<void> {
    await this.update({ name });
  }

  async openTerminal(options: {
    readonly fromOffset?: number | undefined;
    readonly follow?: boolean | undefined;
    readonly size?: TerminalSize | undefined;
  }): Promise<TerminalViewer> {
    if (!this.#record.hasTerminal) {
      throw new FlickError(
        'notSupported',
        `“${this.#record.name}” was adopted and writes where it always did; Flick has no terminal of it.`,
        { remedy: 'After its first move it has one.' },
      );
    }
    // Who wants to follow it has to where it runs; what it wrote before can be read.
    const isElsewhere = this.#serving !== undefined && this.doubt === undefined;
    if (isElsewhere && options.follow !== false) this.requireHere();
    if (options.size !== undefined && this.isLive) await this.resize(options.size);
    return TerminalViewer.open(this, options.fromOffset ?? 0, options.follow ?? true);
  }

  /** Types into the terminal. What is typed while the process stands still goes with it, or is typed when it runs on. */
  async type(data: Buffer): Promise<void> {
    if (this.#heldInput !== undefined) this.#heldInput.push(data);
    else if (this.#cell !== undefined) await typeInto(this.#cell, data);
  }

  holdInput(): void {
    this.#heldInput ??= [];
  }

  /** @returns what was typed meanwhile, and forgets it: it is now the caller's to deliver */
  takeHeldInput(): Buffer {
    const held = Buffer.concat(this.#heldInput ?? []);
    if (this.#heldInput !== undefined) this.#heldInput = [];
    return held;
  }

  /** The process runs on here. */
  async releaseInput(): Promise<void> {
    const held = this.takeHeldInput();
    this.#heldInput = undefined;
    if (held.length > 0) await this.type(held);
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.isLive || this.#cell === undefined) return;
    await this.#cell.resize(size);
    if (
      size.columns !== this.#record.terminal.columns ||
      size.rows !== this.#record.terminal.rows
    ) {
      await this.update({ terminal: size });
    }
  }

  /** Looks at the live tree once. @returns true when something that people see has changed */
  async refresh(): Promise<boolean> {
    if (!this.isLive || this.#pid === undefined) return false;
    const tree = await readTree(this.#pid);
    if (tree === undefined) return false;
    const before = JSON.stringify(this.#sample);
    this.#sample = {
      rssBytes: treeRss(tree),
      ports: await listeningPorts(tree),
      tree: nodesOf(tree).flatMap((node) => node.children),
      stopped: tree.root.state === 'T' || tree.root.state === 't',
    };
    return JSON.stringify(this.#sample) !== before;
  }

  get state(): ProcessState {
    if (this.#record.lost !== null) return 'lost';
    if (this.#record.exit !== null) return 'exited';
    if (this.doubt !== undefined) return 'inDoubt';
    if (this.#serving !== undefined || this.#handoff?.role === 'source') return 'moving';
    if (this.#handoff?.role === 'target') return 'arriving';
    return this.#sample?.stopped === true ? 'stopped' : 'running';
  }

  info(): ProcessInfo {
    const record = this.#record;
    const live = this.isLive ? this.#sample : undefined;
    const handoff = this.#serving ?? this.#handoff;
    return {
      id: record.id,
      name: record.name,
      state: this.state,
      pid: this.pid ?? null,
      command: record.command,
      cwd: record.cwd,
      origin: record.origin,
      inCell: record.cell !== null,
      hasTerminal: record.hasTerminal,
      home: { deviceId: record.home.deviceId, hostName: record.home.hostName },
      atHome: this.atHome,
      startedAt: record.startedAt,
      moves: record.moves,
      exit: record.exit,
      ...(this.doubt === undefined ? {} : { doubt: this.doubt }),
      ...(this.#memory === undefined ? {} : { memory: this.#memory }),
      remark: record.lost ?? record.remark,
      movement:
        handoff === undefined
          ? null
          : {
              handoff: handoff.id,
              peer: handoff.peer,
              step: handoff.step,
              doneBytes: handoff.doneBytes,
              totalBytes: handoff.totalBytes,
            },
      ports: [...(live?.ports ?? [])],
      rssBytes: live?.rssBytes ?? null,
      tree: [...(live?.tree ?? [])],
    };
  }

  dispose(): void {
    this.#cell?.dispose();
    this.#changed.dispose();
    this.#ended.dispose();
    this.#left.dispose();
  }

  #gone(): FlickError {
    return new FlickError('processGone', `“${this.#record.name}” does not run any more.`);
  }
}

/** What people see of it: more often is not told. */
function percentOf(memory: ArrivingMemory | undefined): number {
  if (memory === undefined) return -1;
  return Math.floor((100 * memory.doneBytes) / Math.max(1, memory.totalBytes));
}
