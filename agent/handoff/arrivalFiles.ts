import type { FileHandle } from 'node:fs/promises';
import type { AwayRecord } from '../files/homecoming.ts';
import { awayRecord, planHomecoming } from '../files/homecoming.ts';
import { Homecoming } from '../files/homecomingRun.ts';
import { HomeLayer, planHomeLayer } from '../files/homeLayer.ts';
import { lacking } from '../files/compare.ts';
import type { Hasher } from '../files/hashing.ts';
import { planLayer, type Overlay } from '../files/layer.ts';
import { plainPrograms } from '../files/plainPrograms.ts';
import type { BindSpec } from '../keeper/startKeeper.ts';
import { keepLayer, keptFrom, type KeptFiles } from '../files/keptFiles.ts';
import { LayerWriter } from '../files/layerWriter.ts';
import { totalBytes, type Entry, type FileEntry } from '../files/manifest.ts';
import type { FileSink, IncomingFile } from '../files/transfer.ts';
import { Tree } from '../files/tree.ts';
import { readProc } from '../procfs/read.ts';
import { readValidated } from '../state/durable.ts';

export interface CellMounts {
  readonly overlays: readonly Overlay[];
  readonly binds: readonly BindSpec[];
}

/** Nothing but the device's own files. */
export const nothingMounted: CellMounts = { overlays: [], binds: [] };

/** Where the files of an arriving process go. `plan` and receiving can happen twice: while it runs and once it stands. */
export interface ArrivalFiles {
  readonly sink: FileSink;
  /** Sentences for the person who moved it. */
  readonly remarks: readonly string[];
  /** Which of the announced entries must be sent. `last` when the process stands still. */
  plan(entries: readonly Entry[], last: boolean, signal: AbortSignal): Promise<ReadonlySet<string>>;
  /** Looks once more at what was announced, so that the last plan finds most of it done while the process waits. */
  lookAhead(signal: AbortSignal): void;
  /** Files that were asked for and changed while they were sent. */
  missed(paths: readonly string[]): void;
  /** What the cell will see if nothing changes any more, so that it can be made while the process still runs. */
  expected(): Promise<CellMounts>;
  /**
   * All content is there; makes it visible to the cell.
   * @returns the very object that {@link expected} gave where a cell that was made for it will do
   */
  place(): Promise<CellMounts>;
  /** The process runs here for good. */
  commit(): Promise<void>;
  abort(): Promise<void>;
}

/** Away from home: everything goes into the upper directories of the cell's overlays. */
export class AwayArrival implements ArrivalFiles {
  readonly #writer: LayerWriter;
  readonly #overlays: readonly Overlay[];
  readonly #hasher: Hasher;
  readonly #keep: () => Promise<void>;
  readonly #kept: KeptFiles;
  readonly #placed = new Map<string, string>();
  readonly #mapped = new Set<string>();
  #announced: readonly Entry[] = [];
  /** What the look ahead found on the device as it is announced. */
  #present: Promise<ReadonlyMap<string, string>> = Promise.resolve(new Map());
  #mounts: CellMounts | undefined;

  private constructor(writer: LayerWriter, overlays: readonly Overlay[], options: AwayOptions) {
    this.#writer = writer;
    this.#overlays = overlays;
    this.#hasher = options.hasher;
    this.#kept = options.kept;
    this.#keep = () => keepLayer(options.kept, options.flickHome, options.layer);
  }

  static async open(options: AwayOptions): Promise<AwayArrival> {
    const mountinfo = (await readProc('/proc/self/mountinfo')) ?? '';
    const plan = planLayer(mountinfo, options.flickHome, options.layer);
    const writer = await LayerWriter.open(plan, { owners: options.owners, kept: options.kept });
    return new AwayArrival(writer, plan.overlays, options);
  }

  get sink(): FileSink {
    return this.#writer;
  }

  get remarks(): readonly string[] {
    return this.#writer.remarks;
  }

  async plan(
    entries: readonly Entry[],
    last: boolean,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const mappedBefore = this.#mapped.size;
    for (const each of entries) if (each.role === 'mapped') this.#mapped.add(each.path);
    const present = await this.#present;
    const fresh = this.#fresh(entries).filter((each) => present.get(each.path) !== stampOf(each));
    this.#announced = entries;
    const { needed } = await lacking(fresh, '/', { hasher: this.#hasher, signal });
    const wanted = new Set(needed);
    // A path that lies in the layer hides the device's own file, even if that one would do now.
    for (const each of fresh) if (this.#placed.has(each.path)) wanted.add(each.path);
    const missing = fresh.filter((each) => wanted.has(each.path));
    if (!last) await this.#kept.look(missing, signal);
    if (missing.length > 0 || this.#mapped.size > mappedBefore) this.#mounts = undefined;
    this.#writer.requirePlaces(missing);
    await this.#writer.reserve(totalBytes(missing));
    for (const each of missing) {
      if (each.kind !== 'file') await this.#writer.place(each);
      this.#placed.set(each.path, stampOf(each));
    }
    return wanted;
  }

  lookAhead(signal: AbortSignal): void {
    this.#present = this.#lookAtDevice(signal);
    // Who waits for it hears of a failure.
    this.#present.catch(() => undefined);
  }

  async #lookAtDevice(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const fresh = this.#fresh(this.#announced);
    const { needed } = await lacking(fresh, '/', { hasher: this.#hasher, signal });
    const absent = new Set(needed);
    const present = fresh.filter(({ path }) => !absent.has(path) && !this.#placed.has(path));
    return new Map(present.map((each) => [each.path, stampOf(each)]));
  }

  /** What was placed while the process ran is there already, unless it has changed since. */
  #fresh(entries: readonly Entry[]): readonly Entry[] {
    return entries.filter((each) => this.#placed.get(each.path) !== stampOf(each));
  }

  async expected(): Promise<CellMounts> {
    await this.#writer.seal();
    const mountinfo = (await readProc('/proc/self/mountinfo')) ?? '';
    const plain = await plainPrograms(mountinfo, new Set(this.#placed.keys()), this.#mapped);
    this.#mounts = {
      overlays: this.#overlays,
      binds: plain.map((path) => ({ source: path, target: path, readOnly: true })),
    };
    return this.#mounts;
  }

  /** What lies below a mounted layer may not be changed, so a cell that was made before is of no use then. */
  async place(): Promise<CellMounts> {
    const mounts = this.#mounts ?? (await this.expected());
    await this.#writer.close();
    return mounts;
  }

  missed(paths: readonly string[]): void {
    for (const path of paths) this.#placed.delete(path);
  }

  /** The layer belongs to the cell, which lives on. */
  async commit(): Promise<void> {
    await this.#kept.clear();
  }

  async abort(): Promise<void> {
    await this.#writer.close();
    await this.#keep();
  }
}

interface AwayOptions {
  readonly flickHome: string;
  readonly layer: string;
  readonly kept: KeptFiles;
  readonly hasher: Hasher;
  /** Keep numeric owners: for root, whose cells keep numbers. */
  readonly owners: boolean;
}

/** At home: the device's real files, with everything that goes into them undoable until the process runs. */
export class HomeArrival implements ArrivalFiles {
  readonly #options: HomeArrivalOptions;
  readonly #away: AwayRecord;
  #homecoming: Homecoming | undefined;
  #layer: HomeLayer | undefined;
  #mounts: CellMounts = nothingMounted;
  #remarks: readonly string[] = [];

  private constructor(options: HomeArrivalOptions, away: AwayRecord) {
    this.#options = options;
    this.#away = away;
  }

  static async open(options: HomeArrivalOptions): Promise<HomeArrival> {
    const away = await readValidated(options.away, awayRecord);
    return new HomeArrival(options, away ?? { version: 1, carriedRoots: [], files: {} });
  }

  get sink(): FileSink {
    return this.#homecoming ?? new KeptBesideHome(this.#options.kept);
  }

  get remarks(): readonly string[] {
    return this.#remarks;
  }

  async plan(
    entries: readonly Entry[],
    last: boolean,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    // What has changed while it was away is known once it stands still; nothing is written at home before that.
    if (!last) return await this.#worthKeeping(entries, signal);
    const plan = await planHomecoming(entries, this.#away, {
      from: this.#options.from,
      hasher: this.#options.hasher,
      signal,
    });
    this.#remarks = plan.remarks;
    const layered = await planHomeLayer(plan, this.#away, this.#options.layer);
    if (layered.layer.overlays.length > 0 || layered.kept.size > 0) {
      this.#layer = await HomeLayer.open(layered);
    }
    this.#homecoming = await Homecoming.prepare(plan, {
      journal: this.#options.journal,
      id: this.#options.id,
      kept: this.#options.kept,
      ...(this.#layer === undefined ? {} : { layer: this.#layer }),
    });
    const { overlays } = layered.layer;
    const binds = [...layered.binds, ...plan.binds].map(({ source, path }) => ({
      source,
      target: path,
    }));
    if (overlays.length > 0 || binds.length > 0) this.#mounts = { overlays, binds };
    return new Set(plan.incoming.map((each) => each.path));
  }

  /** At home a cell rarely needs other files than those of the device. */
  expected(): Promise<CellMounts> {
    return Promise.resolve(nothingMounted);
  }

  lookAhead(): void {
    // What counts is what the process left with, and what home made of it: both are at hand.
  }

  missed(): void {
    // Nothing is taken for placed before all has arrived.
  }

  async place(): Promise<CellMounts> {
    await this.#layer?.seal();
    await this.#layer?.close();
    await this.#homecoming?.place();
    return this.#mounts;
  }

  async commit(): Promise<void> {
    await this.#homecoming?.commit();
    await this.#options.kept.clear();
  }

  async abort(): Promise<void> {
    await this.#homecoming?.abort();
    await this.#layer?.close();
  }

  /** Large files that home has not like this: what of them is here already need not come while the process waits. */
  async #worthKeeping(
    entries: readonly Entry[],
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const { hasher, kept } = this.#options;
    const large = entries.filter((each) => each.kind === 'file' && each.size >= keptFrom);
    const { needed, bytes } = await lacking(large, '/', { hasher, signal });
    const missing = new Set(needed);
    await kept.look(
      large.filter((each) => missing.has(each.path)),
      signal,
    );
    return new Set(bytes > 0 && (await kept.hasRoom(bytes)) ? needed : []);
  }
}

/** Takes large files before anything is written at home, where earlier versions of them are. */
class KeptBesideHome implements FileSink {
  readonly #kept: KeptFiles;

  constructor(kept: KeptFiles) {
    this.#kept = kept;
  }

  create(entry: FileEntry): Promise<IncomingFile> {
    return this.#kept.create(entry);
  }

  async bases(entry: FileEntry): Promise<readonly FileHandle[]> {
    const tree = await Tree.open('/');
    const own = await tree.openFile(entry.path).catch(() => undefined);
    await tree.close();
    const kept = await this.#kept.open(entry.path);
    return own === undefined ? kept : [...kept, own];
  }
}

interface HomeArrivalOptions {
  /** What left home with the process (`away.json`). */
  readonly away: string;
  readonly journal: string;
  /** Folder of the cell's layer, used only for files that home never sent. */
  readonly layer: string;
  readonly kept: KeptFiles;
  /** What people call the device it comes from. */
  readonly from: string;
  /** The handoff's id. */
  readonly id: string;
  readonly hasher: Hasher;
}

/** Changes when what would be placed for the entry changes. */
function stampOf(entry: Entry): string {
  switch (entry.kind) {
    case 'file':
      return `${entry.sha256} ${entry.mode}`;
    case 'symlink':
      return `-> ${entry.target}`;
    case 'directory':
      return `${entry.kind} ${entry.mode}`;
    case 'deleted':
      return entry.kind;
  }
}
