import { FlickError, type TerminalSize } from '../../protocol/index.ts';
import type { Engine } from '../engines/engine.ts';
import { Cell } from '../processes/cell.ts';
import { cellFolder, imagesFolder, makePrivateFolder, removeTree } from '../processes/cells.ts';
import type { CellMounts } from './arrivalFiles.ts';
import type { Building } from './building.ts';
import { cellIdentity, isRootToRoot, type CellParties } from './cellIdentity.ts';
import type { HandoffContext } from './context.ts';
import { endCell } from './letRun.ts';
import type { Offer } from './messages.ts';

/** What a cell shows of the time before it. */
export interface EarlierOutput {
  readonly base: number;
  readonly bytes: Buffer;
}

/** The cell that an arriving process is restored into. */
export class ArrivalCell {
  readonly #context: HandoffContext;
  readonly #building: Building;
  readonly #offer: Offer;
  readonly #signal: AbortSignal;
  readonly #engine: Engine;

  constructor(options: {
    readonly context: HandoffContext;
    readonly building: Building;
    readonly offer: Offer;
    readonly signal: AbortSignal;
    readonly engine: Engine;
  }) {
    this.#engine = options.engine;
    this.#context = options.context;
    this.#building = options.building;
    this.#offer = options.offer;
    this.#signal = options.signal;
  }

  /** Makes one whose ids do not depend on the images before the process stands still, if its files stay as they are. */
  async startSoon(): Promise<void> {
    const { isPlain, files } = this.#building;
    if (this.#engine.prepare === undefined && (isPlain || !isRootToRoot(this.#parties))) return;
    this.#building.expected = await files.expected();
    this.#begin(this.#building.expected);
  }

  /** Gets the cell ready for what is announced, as far as that can be done while the process runs. */
  async prepare(announced: string): Promise<void> {
    const { starting, folders, number } = this.#building;
    const cell = await starting;
    if (cell === undefined) return;
    const prepared = await this.#engine.prepare?.(
      this.#offer.process.id,
      {
        cell,
        folder: imagesFolder(cellFolder(folders, number)),
        facts: this.#engine.parseFacts(this.#offer.facts),
        terminal: this.#offer.process.terminal,
      },
      announced,
    );
    if (prepared === undefined) return;
    this.#building.prepared = prepared;
    await prepared.ready;
  }

  /** Makes the files visible that the process left with; a cell that was begun for others ends. */
  async place(): Promise<void> {
    const building = this.#building;
    const { files, folders, number, starting } = building;
    building.mounts = await files.place();
    if (starting === undefined || building.mounts === building.expected) return;
    const early = await starting.catch(() => undefined);
    if (early !== undefined) await endCell(early, early.keeperPid);
    delete building.cell;
    delete building.prepared;
    const folder = cellFolder(folders, number);
    await removeTree(folder);
    await makePrivateFolder(folder);
    this.#begin(building.mounts);
  }

  /** Gives its viewers what they had seen until then, as soon as it is there. */
  equip(output: EarlierOutput): void {
    const { starting } = this.#building;
    if (starting === undefined) return;
    this.#building.starting = starting.then((cell) => this.#equipped(cell, output));
    this.#building.starting.catch(() => undefined);
  }

  /** The cell, which is made now if its ids depend on the images. */
  async ready(output: EarlierOutput): Promise<Cell> {
    const { starting, files, mounts } = this.#building;
    if (starting !== undefined) return starting;
    const cell = await this.#start(mounts ?? (await files.place()), await this.#identity());
    return this.#equipped(cell, output);
  }

  async #identity(): Promise<ReturnType<typeof cellIdentity>> {
    const { isPlain, folders, number } = this.#building;
    if (isPlain || isRootToRoot(this.#parties)) return undefined;
    const { name } = this.#offer.process;
    const images = imagesFolder(cellFolder(folders, number));
    const claimed = await this.#engine.credentials(
      images,
      this.#engine.parseFacts(this.#offer.facts),
    );
    return cellIdentity(claimed, { ...this.#parties, name });
  }

  get #parties(): CellParties {
    const { senderUid, userNamespace } = this.#offer;
    const ownUid = process.getuid?.() ?? 0;
    return { ownUid, senderUid, senderInUserNamespace: userNamespace };
  }

  #begin(mounts: CellMounts): void {
    this.#building.starting = this.#identity().then((identity) => this.#start(mounts, identity));
    // Whoever waits for it hears why it failed.
    this.#building.starting.catch(() => undefined);
  }

  async #start(
    { overlays, binds }: CellMounts,
    userNamespace: ReturnType<typeof cellIdentity>,
  ): Promise<Cell> {
    const { keeper, logger } = this.#context;
    const building = this.#building;
    this.#signal.throwIfAborted();
    const folder = cellFolder(building.folders, building.number);
    if (building.isPlain) {
      if (overlays.length + binds.length > 0) throw needsLayer();
      building.cell = await Cell.startPlain({ keeper: await keeper(), folder, logger });
      return building.cell;
    }
    building.cell = await Cell.start({
      keeper: await keeper(),
      folder,
      userNamespace,
      terminalIndex: this.#offer.process.terminalIndex,
      overlays,
      binds,
      logger,
    });
    return building.cell;
  }

  async #equipped(cell: Cell, { base, bytes }: EarlierOutput): Promise<Cell> {
    const size: TerminalSize = this.#offer.process.terminal;
    await cell.preload(base, bytes);
    await cell.resize(size);
    return cell;
  }
}

function needsLayer(): FlickError {
  return new FlickError(
    'refused',
    'Files of the process differ from those of this device, and without namespaces only one of the two can be seen here.',
    { remedy: 'Allow user namespaces on this device, or make the files the same.' },
  );
}
