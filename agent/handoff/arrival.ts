import { readdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Deferred } from '../../common/deferred.ts';
import { FrameStream, type Frame } from '../../common/frames.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError, type HandoffStep, type HandoffVerdict } from '../../protocol/index.ts';
import { hasNamespaces } from '../device/userNamespaces.ts';
import type { Engine, HeldRestore } from '../engines/engine.ts';
import { putPagesIn, readLeftOut } from '../engines/criu/pagemap.ts';
import { KeptFiles, withBases } from '../files/keptFiles.ts';
import { receiveFiles } from '../files/transfer.ts';
import { chunksOf } from '../memory/chunks.ts';
import { keptFilesFolder, pruneMemory } from '../memory/memoryFolders.ts';
import type { Cell } from '../processes/cell.ts';
import {
  cellFolder,
  imagesFolder,
  layerFolder,
  makePrivateFolder,
  processFolders,
  removeTree,
} from '../processes/cells.ts';
import { getReady, sayReady } from './announcement.ts';
import { ArrivalMemory } from './arrivalMemory.ts';
import { ArrivalCell } from './arrivalCell.ts';
import { AwayArrival, HomeArrival } from './arrivalFiles.ts';
import { PlainArrival } from './plainArrival.ts';
import { nextCell, takeDown, type Building } from './building.ts';
import type { HandoffContext, HandoffOperation } from './context.ts';
import { refuseIfBlocked } from './refusal.ts';
import type { Entry } from '../files/manifest.ts';
import { receiveEntries, sendNeeded } from './entryList.ts';
import { fetchRest } from './fetching.ts';
import { Inbox } from './inbox.ts';
import { memoryFrom, untilInstalled } from './installation.ts';
import { receiveImages } from './imageTransfer.ts';
import { writeManifest } from './manifestFile.ts';
import { letRun } from './letRun.ts';
import { livingCopy } from './livingCopy.ts';
import type { Message, TargetEvent } from './machine.ts';
import type { Copy, TargetSide } from './targetSide.ts';
import { traceHandoff } from './trace.ts';
import { receiveScrollback } from './scrollback.ts';
import { unlessStuck } from './stuck.ts';
import {
  done,
  expect,
  handoffWire,
  images,
  offer,
  PeerAborted,
  refuseOtherWire,
  run,
  type Run,
  type Images,
  type Offer,
} from './messages.ts';

/** Paths that the log names of those that were lacking. */
const loggedPaths = 10;
/** How long the source may take to confirm that it has taken its process back, in ms. */
const confirmPatience = 5_000;

/** The target's half of a handoff. */
export class Arrival implements HandoffOperation<void> {
  readonly id: string;
  readonly processId: string;
  readonly result: Promise<void>;
  readonly streamOver: Promise<void>;
  readonly #context: HandoffContext;
  readonly #peer: string;
  readonly #isRestore: boolean;
  readonly #result = new Deferred<void>();
  readonly #abort = new AbortController();
  readonly #over = new Deferred<void>();
  #memory: ArrivalMemory | undefined;
  #announced: readonly Entry[] = [];
  readonly #side: TargetSide;
  #joined = false;
  #isOver = false;
  #doneBytes = 0;
  #totalBytes = 0;
  #remarks: string[] = [];
  /** Of the copy, which may have ended by the time that the source is told of it. */
  #pid = 0;

  constructor(options: {
    readonly id: string;
    readonly processId: string;
    readonly peer: string;
    /** The files are of this device's capsules as it is. */
    readonly isRestore: boolean;
    readonly context: HandoffContext;
    /** Decides; it goes on when the arrival is over. */
    readonly side: TargetSide;
  }) {
    this.id = options.id;
    this.processId = options.processId;
    this.#peer = options.peer;
    this.#isRestore = options.isRestore;
    this.#context = options.context;
    this.#side = options.side;
    this.result = this.#result.promise;
    this.streamOver = this.#over.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  join(stream: Duplex): void {
    this.#joined = true;
    const frames = new FrameStream(stream);
    stream.once('close', () => {
      if (this.#side.heeds({ type: 'linkLost' })) this.#abort.abort();
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
    if (this.#isOver || this.#joined) return;
    void this.#side.feed({ type: 'linkLost' }).catch(() => undefined);
    this.#isOver = true;
    this.#over.resolve();
    this.#result.reject(new FlickError('linkLost', 'The move did not begin: nobody joined it.'));
  }

  cancel(): boolean {
    if (!this.#side.heeds({ type: 'cancel' })) return false;
    this.#abort.abort();
    return true;
  }

  /**
   * What this side knows, made durable by asking: while it is undecided it gives up first, so that the answer stays true.
   */
  async verdict(): Promise<HandoffVerdict> {
    await this.#side.idle();
    if (this.#side.heeds({ type: 'cancel' })) {
      this.#abort.abort();
      if (this.#joined) await this.#over.promise;
    }
    return this.#side.verdict();
  }

  async #run(frames: FrameStream): Promise<void> {
    this.#side.send = (message) => this.#tell(frames, message);
    try {
      const offered = await this.#guarded(expect(frames, offer));
      await this.#judge(offered);
      const { home } = this.#context;
      if (this.#engine(offered).movesMemory) {
        this.#memory = await ArrivalMemory.open(home, this.processId, frames, this.#onBytes);
      }
      const memory = this.#memory?.offer;
      const { sealed } = offered;
      const getsReady = offered.announces && this.#engine(offered).prepare !== undefined;
      const answer = { type: 'accept', wire: handoffWire, findings: [], sealed, getsReady };
      await frames.sendJson(memory === undefined ? answer : { ...answer, memory });
      if (sealed) frames.seal();
      const building = await this.#build(offered);
      this.#side.copy = this.#copyOf(building);
      const { signal } = this.#abort;
      const cell = new ArrivalCell({
        context: this.#context,
        building,
        offer: offered,
        signal,
        engine: this.#engine(offered),
      });
      this.#begin('copy');
      await this.#receiveFiles(frames, building, false);
      await frames.sendJson({ type: 'placed', bytes: this.#doneBytes });
      await cell.startSoon();
      if (getsReady) await this.#getReady(frames, building, cell);
      if (this.#memory !== undefined) await this.#guarded(this.#memory.receiveRounds());
      building.files.lookAhead(signal);
      this.#begin('send');
      await this.#receiveFiles(frames, building, true);
      await cell.place();
      const output = await this.#guarded(receiveScrollback(frames));
      cell.equip(output);
      const capsule = await this.#receiveCapsule(frames, building);
      const inbox = new Inbox(frames, (frame) => this.#handleMemory(frame));
      inbox.ended.promise.catch((error: unknown) => {
        this.#memory?.fail(error);
        // CRIU may wait for a page that nobody sends any more.
        if (this.#side.heeds({ type: 'linkLost' })) this.#abort.abort();
      });
      this.#begin('restore');
      await this.#restore(building, offered, capsule, () => cell.ready(output));
      await building.remembered;
      await this.#side.feed({ type: 'restored' });
      this.#begin('commit');
      await this.#commit(inbox, building, await this.#guarded(expect(inbox, run)));
    } catch (error) {
      await this.#unwind(frames, error);
      throw error;
    } finally {
      await this.#keepMemory();
    }
  }

  /** The process runs on the source until this is done. */
  async #getReady(frames: FrameStream, building: Building, cell: ArrivalCell): Promise<void> {
    const folder = imagesFolder(cellFolder(building.folders, building.number));
    const prepare = (advance: string): Promise<void> => {
      this.#begin('announced');
      return this.#guarded(cell.prepare(advance));
    };
    const options = { signal: this.#abort.signal, onProgress: () => undefined };
    await makePrivateFolder(folder);
    await this.#guarded(getReady(frames, folder, prepare, options));
    this.#begin('ready');
    await sayReady(frames);
  }

  async #handleMemory(frame: Frame): Promise<boolean> {
    return (await this.#memory?.handle(frame)) ?? false;
  }

  /**
   * Sees to the memory that is not in the images: the cell's keeper brings it while it arrives, or where it cannot, all of
   * it is waited for and put into the images.
   * @returns whether the keeper brings it
   */
  async #prepareMemory(building: Building, cell: Cell, capsule: Images): Promise<boolean> {
    const memory = this.#memory;
    if (memory === undefined || !capsule.memoryApart) return false;
    const folder = imagesFolder(cellFolder(building.folders, building.number));
    const leftOut = await readLeftOut(folder);
    building.leftOut = leftOut;
    if (await cell.canLazy()) {
      building.isServed = true;
      await memory.serve(cell, folder, leftOut);
      return true;
    }
    await memory.wantAll();
    await this.#guarded(memory.whenComplete(chunksOf(leftOut.pages)));
    await putPagesIn(folder, memory.image);
    return false;
  }

  /** The process runs, and gets memory as it arrives. */
  async #fetchRest(inbox: Inbox, { managed, cell, leftOut }: Building): Promise<void> {
    const memory = this.#memory;
    if (managed === undefined || cell === undefined || memory === undefined) {
      throw new Error('There is nothing that could lack memory.');
    }
    const missing = chunksOf(leftOut?.pages ?? []);
    const { id, peer } = this.#side;
    this.#context.logger.log('info', 'it runs here, memory follows', { handoff: id, peer });
    this.#result.resolve();
    const options = { side: this.#side, context: this.#context, managed, cell };
    await fetchRest({ ...options, memory, missing, inbox });
  }

  async #keepMemory(): Promise<void> {
    try {
      await this.#memory?.keep();
      await pruneMemory(this.#context.home, this.processId);
    } catch (error) {
      this.#context.logger.log('warn', 'an image of memory was not kept', {
        error: messageOf(error),
      });
    }
  }

  /** Nothing more comes of the stream. What that means, the machine says. */
  async #unwind(frames: FrameStream, error: unknown): Promise<void> {
    const side = this.#side;
    side.send = async (message) => {
      if (message !== 'abort') return;
      const data = asFlickError(error).toData();
      await frames.sendJson({ type: 'abort', ...data }).catch(() => undefined);
    };
    const event: TargetEvent =
      error instanceof PeerAborted
        ? { type: 'message', message: 'abort' }
        : { type: 'failed', before: side.state };
    await side.feed(event).catch(() => undefined);
    side.send = undefined;
  }

  #engine({ facts }: Offer): Engine {
    return this.#context.engines[facts.engine];
  }

  async #judge(offered: Offer): Promise<void> {
    const { processes, device } = this.#context;
    const engine = this.#engine(offered);
    refuseOtherWire(offered.wire);
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
    const { home, hasher, processes, stored } = this.#context;
    // What ended here once and has come back is one process, not two.
    const earlier = processes.find(this.processId);
    if (earlier !== undefined) await processes.forget(this.processId);
    const folders = processFolders(home, this.processId);
    const present = await readdir(folders.root).catch(() => undefined);
    await makePrivateFolder(folders.root);
    const number = nextCell(present ?? []);
    await makePrivateFolder(cellFolder(folders, number));
    const kept = new KeptFiles(
      keptFilesFolder(home, this.processId),
      this.#isRestore ? undefined : stored,
    );
    const atHome = offered.process.home.deviceId === processes.deviceId;
    const layer = layerFolder(folders, number);
    const isPlain = !(await hasNamespaces());
    const files = atHome
      ? await HomeArrival.open({
          away: folders.away,
          journal: folders.journal,
          layer,
          kept,
          from: this.#peer,
          id: this.id,
          hasher,
        })
      : isPlain
        ? new PlainArrival({ flickHome: home.root, hasher })
        : await AwayArrival.open({
            flickHome: home.root,
            layer,
            kept,
            hasher,
            owners: process.getuid?.() === 0 && offered.senderUid === 0 && !offered.userNamespace,
          });
    return { folders, number, files, existedBefore: present !== undefined, isPlain };
  }

  async #receiveFiles(frames: FrameStream, building: Building, last: boolean): Promise<void> {
    const { files, folders } = building;
    const { signal } = this.#abort;
    const entries = await this.#guarded(receiveEntries(frames, this.#announced));
    this.#announced = entries;
    const needed = await files.plan(entries, last, signal);
    const wanted = entries.filter((each) => needed.has(each.path));
    const based = await withBases(files.sink, wanted);
    await sendNeeded(frames, entries, needed, based);
    for (const each of wanted) if (each.kind === 'file') this.#totalBytes += each.size;
    if (wanted.length > 0) {
      const some = wanted.slice(0, loggedPaths).map(({ path }) => path);
      const counts = { files: wanted.length, based: based.size, some };
      this.#context.logger.log('info', 'files are lacking here', { handoff: this.id, ...counts });
    }
    const onProgress = this.#onBytes;
    const { changed } = await receiveFiles(frames, files.sink, wanted, { signal, onProgress });
    files.missed(changed);
    if (last) {
      building.remembered = writeManifest(folders.manifest, entries);
      building.remembered.catch(() => undefined);
    }
  }

  async #receiveCapsule(frames: FrameStream, building: Building): Promise<Images> {
    const capsule = await this.#guarded(expect(frames, images));
    const folder = imagesFolder(cellFolder(building.folders, building.number));
    await makePrivateFolder(folder);
    this.#totalBytes += capsule.files.reduce((sum, each) => sum + each.size, 0);
    await receiveImages(frames, folder, capsule.files, {
      onProgress: this.#onBytes,
      signal: this.#abort.signal,
    });
    return capsule;
  }

  async #restore(
    building: Building,
    offered: Offer,
    capsule: Images,
    begin: () => Promise<Cell>,
  ): Promise<void> {
    const { processes } = this.#context;
    const engine = this.#engine(offered);
    const facts = engine.parseFacts(offered.facts);
    const { process: travelling } = offered;
    const folder = imagesFolder(cellFolder(building.folders, building.number));
    const hold = async (): Promise<{ cell: Cell; held: HeldRestore }> => {
      const cell = await begin();
      const lazy = await this.#prepareMemory(building, cell, capsule);
      const held = await this.#guarded(
        building.prepared?.restore() ??
          engine.restore(travelling.id, {
            cell,
            folder,
            facts,
            root: capsule.root,
            terminalKeys: capsule.terminalKeys,
            shellJob: travelling.shellJob,
            terminal: travelling.terminal,
            keepConnections: capsule.keepConnections,
            lazy,
          }),
      );
      return { cell, held };
    };
    const { cell, held } = await unlessStuck(hold(), () => this.#doneBytes, facts.memoryBytes);
    building.held = held;
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
        layered: !building.isPlain && travelling.home.deviceId !== processes.deviceId,
      },
      adopted: null,
      exit: null,
      lost: null,
      remark: null,
      arriving: this.id,
    });
    this.#pid = held.pid;
    building.managed = managed;
    this.#side.managed = managed;
    managed.beginHandoff({
      id: this.id,
      role: 'target',
      peer: this.#peer,
      step: 'restore',
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
    });
    await managed.update({});
    processes.adoptCell(managed, cell, held.pid);
  }

  /** The source has released it; the order of what happens is the machine's (docs/handoff.md). */
  async #commit(inbox: Inbox, building: Building, order: Run): Promise<void> {
    const { leftOut, managed, cell, isServed } = building;
    const lazy = order.early && isServed === true;
    // Said before `run` on the same stream: a copy that lacks a page runs only where the source has said so.
    if (leftOut !== undefined && !lazy) {
      await this.#memory?.whenComplete(chunksOf(leftOut.pages));
    }
    building.order = order;
    this.#begin('resume');
    // From then on it says by itself when it can be moved on.
    if (isServed === true) {
      managed?.setArrivingMemory(memoryFrom(this.#peer));
    }
    await this.#side.feed({ type: 'message', message: 'run', lazy });
    try {
      await this.#side.resumed;
    } catch (error) {
      // The source takes its process back, and says so: then nothing of this handoff has to be kept.
      await this.#confirmed(inbox);
      throw error;
    }
    if (lazy) await this.#fetchRest(inbox, building);
    if (isServed === true && managed !== undefined && cell !== undefined) {
      await untilInstalled(managed, cell);
    } else await removeTree(imagesFolder(cellFolder(building.folders, building.number)));
    if (lazy) return;
    await expect(inbox, done);
    await this.#side.feed({ type: 'message', message: 'done' });
  }

  async #confirmed(inbox: Inbox): Promise<void> {
    const told = expect(inbox, done).then(() =>
      this.#side.feed({ type: 'message', message: 'done' }),
    );
    await Promise.race([
      told.catch(() => undefined),
      delay(confirmPatience, undefined, { ref: false }),
    ]);
  }

  #copyOf(building: Building): Copy {
    return {
      pin: async () => building.held?.pin(),
      resume: () => this.#resume(building),
      discard: () => takeDown(building, this.id, this.#context),
      keep: () => this.#keep(building),
      stop: () => Promise.resolve(),
      goOn: () => Promise.resolve(),
    };
  }

  async #resume({ held, managed, order }: Building): Promise<void> {
    if (held === undefined || managed === undefined || order === undefined) {
      throw new Error('There is nothing to run.');
    }
    await letRun(() => held.resume());
    await this.#context.debug.wake(managed, this.id, order.debugged);
    const input = Buffer.from(order.input, 'base64');
    if (input.length > 0) await managed.type(input).catch(() => undefined);
  }

  /** It lives here: its files are its own now, and its record no longer depends on this handoff. */
  async #keep({ managed, files }: Building): Promise<void> {
    this.#remarks = [...files.remarks];
    try {
      await files.commit();
    } catch (error) {
      this.#remarks.push(`Tidying up its files at home was not finished: ${messageOf(error)}`);
      const { logger } = this.#context;
      logger.log('error', 'a homecoming was not finished', { error: messageOf(error) });
    }
    if (managed === undefined) return;
    managed.endHandoff();
    const remark = this.#remarks.length > 0 ? this.#remarks.join(' ') : null;
    await managed.update({ arriving: null, remark });
    this.#side.copy = livingCopy(managed);
  }

  async #tell(frames: FrameStream, message: Message): Promise<void> {
    switch (message) {
      case 'running':
      case 'incomplete': {
        const pid = this.#pid;
        const remarks = this.#remarks;
        await frames.sendJson({ type: message, pid, remarks }).catch(() => undefined);
        return;
      }
      case 'complete':
        // Nobody has to hear it: the word is kept until somebody asks.
        await frames.sendJson({ type: 'complete' }).catch(() => undefined);
        return;
      case 'abort': {
        const data = asFlickError(this.#side.failure).toData();
        await frames.sendJson({ type: 'abort', ...data }).catch(() => undefined);
        return;
      }
      default:
        await frames.sendJson({ type: message });
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

  #begin(step: HandoffStep | 'announced' | 'ready'): void {
    traceHandoff(this.#context.logger, this.id, 'target', step);
  }
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
