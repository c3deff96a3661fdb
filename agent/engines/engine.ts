import type { EngineName, Finding, ProcessFacts, TerminalSize } from '../../protocol/index.ts';
import type { PageRun } from '../memory/chunks.ts';
import type { MemoryTask } from '../memory/processMemory.ts';
import type { Cell } from '../processes/cell.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import type { FileFacts } from './criu/facts.ts';
import type { CriuFacts } from './criu/factsSchema.ts';
import type { ImageCredentials } from './criu/images.ts';

/** What every engine says of a process tree; one may say more, which only itself reads. */
export type TreeFacts = CriuFacts;

/** Turns a process into a capsule and back. What stands between two devices, a handoff, is the same for all of them. */
export interface Engine {
  readonly name: EngineName;
  /** It leaves memory in the process, so that it can travel while the process runs, and after it runs there. */
  readonly movesMemory: boolean;
  /** The process is another one afterwards, with nothing in it that is not the program's: no debug runtime either. */
  readonly rebuilds: boolean;
  /** Looks at a process while it runs. @throws {FlickError} `processGone` */
  inspect(managed: ManagedProcess): Promise<TreeFacts>;
  /** Looks at the files of a process that stands still, and at nothing else. @throws {FlickError} `processGone` */
  inspectFiles(managed: ManagedProcess): Promise<FileFacts>;
  /** What on this device stands in the way of saving it, as far as facts tell. */
  departure(
    managed: ManagedProcess,
    facts: TreeFacts,
    helper: boolean,
  ): Promise<readonly Finding[]>;
  /** What only a try tells: what will be left behind, or why it cannot be saved. The process goes on. */
  rehearse(managed: ManagedProcess, facts: TreeFacts): Promise<readonly Finding[]>;
  /** What on this device stands in the way of restoring it. */
  arrival(
    facts: TreeFacts,
    missingBytes: number,
    userNamespaces: boolean,
  ): Promise<readonly Finding[]>;
  /** An estimate without reading a file: what is not here at all, or has another size. In bytes. */
  missingBytes(facts: TreeFacts): Promise<number>;
  /** @throws {FlickError} `invalidRequest` when the facts are not what they should be */
  parseFacts(facts: ProcessFacts): TreeFacts;
  /** Whose memory is to be read, by the PIDs of this device and of the capsule. */
  memoryTasks(managed: ManagedProcess, stopped?: boolean): Promise<MemoryTask[]>;
  /**
   * Has the process stand still and writes its images.
   * @throws {FlickError} `dumpFailed` or `refused` with the reason in words; the process then runs on
   */
  capture<T>(managed: ManagedProcess, options: CaptureOptions<T>): Promise<EngineCapture<T>>;
  /** The ids that the process believes to have, for deciding which user namespace its cell needs. */
  credentials(folder: string, facts: TreeFacts): Promise<ImageCredentials>;
  /**
   * Gets a fresh cell ready for a process whose images are still to come. Only of engines that rebuild.
   * @param advance file with what {@link CaptureOptions.announce} was given
   * @throws {FlickError} where nothing can be got ready; the cell is of no use then
   */
  prepare?(id: string, options: PrepareOptions, advance: string): Promise<PreparedRestore>;
  /**
   * Restores images into a fresh cell and holds the tree before its first instruction.
   * @throws {FlickError} `restoreFailed` with the reason in words; nothing of it is left running
   */
  restore(id: string, options: RestoreOptions): Promise<HeldRestore>;
}

export type Engines = Readonly<Record<EngineName, Engine>>;

export interface CaptureOptions<T> {
  readonly handoff: string;
  readonly facts: TreeFacts;
  /** Folder for the images; must be visible at this path inside the cell. */
  readonly folder: string;
  /** Leave the memory in the process, where the device can do so; it is read from there while it stands still. */
  readonly memoryApart: boolean;
  /**
   * What else is to be done once the process stands still. It begins while the engine still works, where that can be seen,
   * and again where the process ran on after all.
   */
  readonly meanwhile: () => Promise<T>;
  /** Calls it off: an engine that has to wait for the process does so no longer. */
  readonly signal: AbortSignal;
  /**
   * Takes what helps to get a place ready for the process, which runs until that resolves; the process does not stand
   * still where it rejects. Undefined where nobody gets ready.
   */
  readonly announce?: (advance: Buffer) => Promise<void>;
}

export interface EngineCapture<T = unknown> extends HeldCapture {
  /** What {@link CaptureOptions.meanwhile} gave. */
  readonly meanwhile: T;
  /** What is not in the images; its tasks stand still as long as the capture is held. */
  readonly memory:
    { readonly tasks: readonly MemoryTask[]; readonly pages: readonly PageRun[] } | undefined;
  /** PID of the tree's root as the capsule has it. */
  readonly root: number;
  readonly terminalKeys: readonly string[];
  readonly keepConnections: boolean;
  /** What the process does without from now on, as sentences for people. */
  readonly dropped: readonly string[];
  /** Since when it has stood still, by `performance.now()`, where that is later than when the capture began. */
  readonly frozenAt?: number;
}

/** A place that gets ready for a process while that still runs elsewhere. */
export interface PreparedRestore {
  /** Of what waits there, as this device sees it. */
  readonly pid: number;
  /** Resolves when it is ready for the images, or will not be any readier. */
  readonly ready: Promise<void>;
  /** As {@link Engine.restore}, in this place. */
  restore(): Promise<HeldRestore>;
}

export interface PrepareOptions {
  readonly cell: Cell;
  readonly folder: string;
  readonly facts: TreeFacts;
  readonly terminal: TerminalSize;
}

export interface RestoreOptions extends PrepareOptions {
  /** PID of the tree's root inside its PID namespace, as it was dumped. */
  readonly root: number;
  readonly terminalKeys: readonly string[];
  readonly shellJob: boolean;
  readonly keepConnections: boolean;
  /** The cell's keeper brings the memory. */
  readonly lazy: boolean;
}

/** A process that is frozen, its capsule complete on disk, the kernel's copy still able to go on. */
export interface HeldCapture {
  /** Folder with the capsule's images; every regular file directly in it belongs to the capsule. */
  readonly images: string;
  /** Lets the process run on as if nothing had happened and removes the images. */
  abort(): Promise<void>;
  /** From now on losing the agent no longer lets the process run on: the release has been recorded. */
  pin(): Promise<void>;
  /** Ends the copy here: it runs elsewhere. */
  release(): Promise<void>;
}

/** A process restored here of which not one instruction has run. */
export interface HeldRestore {
  /** PID of its root as this device sees it. */
  readonly pid: number;
  /** From now on losing the agent no longer ends the copy: that it runs here has been recorded. */
  pin(): Promise<void>;
  /** Lets it run. */
  resume(): Promise<void>;
  /** Ends the copy, which never ran. */
  abort(): Promise<void>;
}
