import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { Deferred } from '../../common/deferred.ts';
import { FrameStream } from '../../common/frames.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError, type HandoffStep, type HandoffVerdict } from '../../protocol/index.ts';
import type { HeldRestore } from '../engines/engine.ts';
import { receiveFiles } from '../files/transfer.ts';
import { Cell } from '../processes/cell.ts';
import {
  cellFolder,
  layerFolder,
  makePrivateFolder,
  processFolders,
  removeTree,
  type ProcessFolders,
} from '../processes/cells.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { AwayArrival, HomeArrival, type ArrivalFiles } from './arrivalFiles.ts';
import { cellIdentity } from './cellIdentity.ts';
import type { HandoffContext, HandoffOperation } from './context.ts';
import { refuseIfBlocked } from './departure.ts';
import { receiveEntries, sendNeeded } from './entryList.ts';
import { receiveImages } from './imageTransfer.ts';
import { writeManifest } from './manifestFile.ts';
import { receiveScrollback } from './scrollback.ts';
import { resumeOrTakeBack } from './resumeOrTakeBack.ts';
import {
  done,
  expect,
  images,
  offer,
  PeerAborted,
  run,
  type Run,
  type Images,
  type Offer,
} from './messages.ts';

/** What has been built for the arriving process so far, to be taken down again if it does not come. */
interface Building {
  readonly folders: ProcessFolders;
  readonly number: number;
  readonly files: ArrivalFiles;
  readonly existedBefore: boolean;
  cell?: Cell;
  held?: HeldRestore;
  managed?: ManagedProcess;
}

/** The target's half of a handoff. */
export class Arrival implements HandoffOperation<void> {
  readonly id: string;
  readonly processId: string;
  readonly result: Promise<void>;
  readonly #context: HandoffContext;
  readonly #peer: string;
  readonly #result = new Deferred<void>();
  readonly #abort = new AbortController();
  readonly #over = new Deferred<void>();
  #decided = false;
  /** While the copy is being let run its word can still be taken back; never rejects. */
  #resuming: Promise<unknown> | undefined;
  #joined = false;
  #isOver = false;
  #step: HandoffStep = 'check';
  #doneBytes = 0;
  #totalBytes = 0;

  constructor(options: {
    readonly id: string;
    readonly processId: string;
    readonly peer: string;
    readonly context: HandoffContext;
  }) {
    this.id = options.id;
    this.processId = options.processId;
    this.#peer = options.peer;
    this.#context = options.context;
    this.result = this.#result.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  join(stream: Duplex): void {
    this.#joined = true;
    const frames = new FrameStream(stream);
    stream.once('close', () => {
      if (!this.#decided) this.#abort.abort();
    });
    this.#run(frames)
      .then(
        () => this.#result.resolve(),
        (error: unknown) => this.#result.reject(error),
      )
      .finally(() => {
        this.#isOver = true;
        this.#over.resolve();
        frames.end();
      });
  }

  expire(): void {
    if (this.#joined) return;
    this.#isOver = true;
    this.#over.resolve();
    this.#result.reject(new FlickError('linkLost', 'The move did not begin: nobody joined it.'));
  }

  cancel(): boolean {
    if (this.#decided) return false;
    this.#abort.abort();
    return true;
  }

  /**
   * What this side knows, made durable by asking: while it is undecided it gives up first, so that the answer stays true.
   */
  async verdict(): Promise<HandoffVerdict> {
    await this.#resuming;
    if (!this.#decided) {
      this.#abort.abort();
      await this.#over.promise;
    }
    return this.#context.ledger.get(this.id)?.verdict ?? 'aborted';
  }

  async #run(frames: FrameStream): Promise<void> {
    let building: Building | undefined;
    try {
      const offered = await this.#guarded(expect(frames, offer));
      await this.#judge(offered);
      await frames.sendJson({ type: 'accept', findings: [] });
      building = await this.#build(offered);
      this.#begin('copy');
      await this.#receiveFiles(frames, building, false);
      await frames.sendJson({ type: 'placed', bytes: this.#doneBytes });
      this.#begin('send');
      await this.#receiveFiles(frames, building, true);
      const output = await this.#guarded(receiveScrollback(frames));
      const capsule = await this.#receiveCapsule(frames, building);
      this.#begin('restore');
      await this.#restore(building, offered, capsule, output);
      await frames.sendJson({ type: 'held' });
      this.#begin('commit');
      await this.#commit(frames, building, await this.#guarded(expect(frames, run)));
    } catch (error) {
      if (building !== undefined && !this.#decided) await this.#takeDown(building);
      if (!this.#decided && !(error instanceof PeerAborted)) {
        const data = asFlickError(error).toData();
        await frames.sendJson({ type: 'abort', ...data }).catch(() => undefined);
      }
      throw error;
    }
  }

  async #judge(offered: Offer): Promise<void> {
    const { engine, processes, device } = this.#context;
    if (offered.handoff !== this.id || offered.process.id !== this.processId) {
      throw new FlickError('transferFailed', 'The other device offered another process.');
    }
    if (processes.find(this.processId)?.isLive === true) {
      throw new FlickError('busy', `“${offered.process.name}” already runs on this device.`);
    }
    const facts = engine.parseFacts(offered.facts);
    const { userNamespaces } = await device();
    refuseIfBlocked(await engine.arrival(facts, 0, userNamespaces));
  }

  async #build(offered: Offer): Promise<Building> {
    const { home, hasher, processes } = this.#context;
    // What ended here once and has come back is one process, not two.
    const earlier = processes.find(this.processId);
    if (earlier !== undefined) await processes.forget(this.processId);
    const folders = processFolders(home, this.processId);
    const present = await readdir(folders.root).catch(() => undefined);
    await makePrivateFolder(folders.root);
    const number = nextCell(present ?? []);
    await makePrivateFolder(cellFolder(folders, number));
    const atHome = offered.process.home.deviceId === processes.deviceId;
    const layer = layerFolder(folders, number);
    const files = atHome
      ? await HomeArrival.open({
          away: folders.away,
          journal: folders.journal,
          layer,
          from: this.#peer,
          id: this.id,
          hasher,
        })
      : await AwayArrival.open({
          flickHome: home.root,
          layer,
          hasher,
          owners: process.getuid?.() === 0 && offered.senderUid === 0 && !offered.userNamespace,
        });
    return { folders, number, files, existedBefore: present !== undefined };
  }

  async #receiveFiles(frames: FrameStream, building: Building, last: boolean): Promise<void> {
    const { files, folders } = building;
    const { signal } = this.#abort;
    const entries = await this.#guarded(receiveEntries(frames));
    const needed = await files.plan(entries, last, signal);
    await sendNeeded(frames, entries, needed);
    const wanted = entries.filter((each) => needed.has(each.path));
    for (const each of wanted) if (each.kind === 'file') this.#totalBytes += each.size;
    if (wanted.some((each) => each.kind === 'file')) {
      await receiveFiles(frames, files.sink, wanted, { signal, onProgress: this.#onBytes });
    } else {
      await receiveFiles(frames, nothingExpected, [], { signal });
    }
    if (last) await writeManifest(folders.manifest, entries);
  }

  async #receiveCapsule(frames: FrameStream, building: Building): Promise<Images> {
    const capsule = await this.#guarded(expect(frames, images));
    const folder = imagesFolder(building);
    await removeTree(folder);
    await makePrivateFolder(folder);
    this.#totalBytes += capsule.files.reduce((sum, each) => sum + each.size, 0);
    await receiveImages(frames, folder, capsule.files, this.#onBytes, this.#abort.signal);
    return capsule;
  }

  async #restore(
    building: Building,
    offered: Offer,
    capsule: Images,
    output: { base: number; bytes: Buffer },
  ): Promise<void> {
    const { engine, keeper, logger, processes } = this.#context;
    const { process: travelling } = offered;
    const folder = imagesFolder(building);
    const identity = cellIdentity(await engine.credentials(folder), {
      ownUid: process.getuid?.() ?? 0,
      senderUid: offered.senderUid,
      senderInUserNamespace: offered.userNamespace,
      name: travelling.name,
    });
    const mounts = await building.files.place();
    this.#abort.signal.throwIfAborted();
    const cell = await Cell.start({
      keeper: await keeper(),
      folder: cellFolder(building.folders, building.number),
      userNamespace: identity,
      terminalIndex: travelling.terminalIndex,
      overlays: mounts.overlays,
      binds: mounts.binds,
      logger,
    });
    building.cell = cell;
    await cell.preload(output.base, output.bytes);
    await cell.resize(travelling.terminal);
    building.held = await engine.restore(travelling.id, {
      cell,
      folder,
      root: capsule.root,
      terminalKeys: capsule.terminalKeys,
      shellJob: travelling.shellJob,
      keepConnections: capsule.keepConnections,
    });
    const managed = processes.arrive({
      version: 1,
      ...travelling,
      hasTerminal: travelling.hasTerminal || capsule.terminalKeys.length > 0,
      moves: travelling.moves + 1,
      bootId: processes.bootId,
      cell: {
        number: building.number,
        keeperPid: cell.keeperPid,
        userNamespace: cell.userNamespace ?? null,
        layered: travelling.home.deviceId !== processes.deviceId,
      },
      adopted: null,
      exit: null,
      lost: null,
      remark: null,
      arriving: this.id,
    });
    building.managed = managed;
    managed.beginHandoff({
      id: this.id,
      role: 'target',
      peer: this.#peer,
      step: 'restore',
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
    });
    await managed.update({});
    processes.adoptCell(managed, cell, building.held.pid);
  }

  /** The source has released it. Every line's place matters: see docs/architecture.md, "Handoff". */
  async #commit(frames: FrameStream, building: Building, order: Run): Promise<void> {
    const { ledger, logger, debug } = this.#context;
    const { cell, held, managed, files } = building;
    if (cell === undefined || held === undefined || managed === undefined)
      throw new Error('There is nothing to run.');
    await held.pin();
    await ledger.write({
      id: this.id,
      process: this.processId,
      role: 'target',
      verdict: 'running',
      peer: this.#peer,
    });
    this.#decided = true;
    this.#begin('resume');
    const resumed = resumeOrTakeBack(held, cell, async () => {
      await ledger.remove(this.id);
      this.#decided = false;
      delete building.held;
    });
    this.#resuming = resumed.catch(() => undefined);
    await resumed;
    await debug.wake(managed, this.id, order.debugged);
    const input = Buffer.from(order.input, 'base64');
    if (input.length > 0) await managed.type(input).catch(() => undefined);
    const remarks = [...files.remarks];
    try {
      await files.commit();
    } catch (error) {
      remarks.push(`Tidying up its files at home was not finished: ${messageOf(error)}`);
      logger.log('error', 'a homecoming was not finished', { error: messageOf(error) });
    }
    managed.endHandoff();
    await frames.sendJson({ type: 'running', pid: held.pid, remarks }).catch(() => undefined);
    await managed.update({ arriving: null, remark: remarks.length > 0 ? remarks.join(' ') : null });
    await removeTree(imagesFolder(building));
    await expect(frames, done);
    await ledger.remove(this.id);
  }

  async #takeDown(building: Building): Promise<void> {
    const { processes, logger } = this.#context;
    const { folders, number } = building;
    try {
      if (building.managed !== undefined) processes.drop(building.managed);
      await building.held?.abort().catch(() => undefined);
      await building.cell?.shutdown();
      await building.files.abort();
      await removeTree(folders.record);
      await removeTree(cellFolder(folders, number));
      await removeTree(layerFolder(folders, number));
      await removeTree(folders.manifest);
      if (!building.existedBefore) await removeTree(folders.root);
    } catch (error) {
      logger.log('error', 'tidying up after an arrival that failed was not finished', {
        handoff: this.id,
        error: messageOf(error),
      });
    }
  }

  async #guarded<T>(wait: Promise<T>): Promise<T> {
    const { signal } = this.#abort;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(asFlickError(undefined));
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      wait.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  readonly #onBytes = (bytes: number): void => {
    this.#doneBytes += bytes;
  };

  #begin(step: HandoffStep): void {
    this.#step = step;
    this.#context.logger.log('debug', 'arrival', { handoff: this.id, step: this.#step });
  }
}

const nothingExpected = {
  create: () => Promise.reject(new FlickError('transferFailed', 'No file was asked for.')),
};

/** Inside the cell's own folder, which the keeper binds into the cell at the same path. */
function imagesFolder(building: Building): string {
  return join(cellFolder(building.folders, building.number), 'images');
}

function nextCell(entries: readonly string[]): number {
  const numbers = entries.flatMap((name) => {
    const match = /^(?:cell|layer)-(\d+)$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return Math.max(0, ...numbers) + 1;
}

function asFlickError(error: unknown): FlickError {
  if (error instanceof FlickError) return error;
  if (error === undefined) {
    return new FlickError('linkLost', 'The connection between the devices was lost.');
  }
  return new FlickError('transferFailed', `The target failed: ${messageOf(error)}`, {
    cause: error,
  });
}
