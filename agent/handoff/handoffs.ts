import { join } from 'node:path';
import { Emitter } from '../../common/event.ts';
import { messageOf } from '../../common/rpc.ts';
import {
  FlickError,
  type checkArrival,
  type checkDeparture,
  type HandoffOutcome,
  type HandoffVerdict,
  type listDoubts,
  type ParamsOf,
  type ProcessFacts,
  type receiveProcess,
  type ResultOf,
  type sendProcess,
} from '../../protocol/index.ts';
import { recoverHomecoming } from '../files/homecomingJournal.ts';
import { settleThroughHelper } from '../helper/helperClient.ts';
import { Cell, type HeldJob } from '../processes/cell.ts';
import { removeTree } from '../processes/cells.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { readTree } from '../processes/tree.ts';
import { Arrival } from './arrival.ts';
import type { HandoffContext, HandoffProgress } from './context.ts';
import { Departure } from './departure.ts';
import { DepartureFiles } from './departureFiles.ts';

/** How long the outcome of a handoff can still be asked for, in ms. */
const outcomeKept = 600_000;
/** Most often that progress is announced for one handoff, in ms. */
const progressInterval = 100;

/** The frozen original of a process that was released, until it is known whether the target runs it. */
interface Original {
  readonly release: () => Promise<void>;
  readonly abort: () => Promise<void>;
}

/** All handoffs of this agent, in both roles. */
export class Handoffs {
  readonly #context: HandoffContext;
  readonly #departures = new Map<string, Departure>();
  readonly #arrivals = new Map<string, Arrival>();
  readonly #originals = new Map<string, Original>();
  readonly #progress = new Emitter<HandoffProgress>();
  readonly #lastProgress = new Map<string, { step: string; at: number }>();
  readonly #idle = new Emitter<void>();
  #active = 0;

  readonly onDidProgress = this.#progress.event;
  readonly onDidBecomeIdle = this.#idle.event;

  constructor(context: Omit<HandoffContext, 'progress'>) {
    this.#context = { ...context, progress: (progress) => this.#announce(progress) };
  }

  get isBusy(): boolean {
    return this.#active > 0;
  }

  /** Finishes what an earlier daemon had begun; to be called once, when the processes are loaded. */
  async recover(): Promise<void> {
    const { processes, ledger, logger } = this.#context;
    for (const managed of processes.list()) {
      try {
        await this.#recoverOne(managed);
      } catch (error) {
        logger.log('error', 'a handoff could not be recovered', {
          process: managed.id,
          error: messageOf(error),
        });
      }
    }
    for (const entry of ledger.all()) {
      // Without its process there is nothing left to decide on a source; a target keeps its word for the source.
      if (entry.role === 'source' && processes.find(entry.process) === undefined) {
        await ledger.remove(entry.id);
      }
    }
  }

  /** @throws {FlickError} `noSuchProcess`, `processGone` */
  async checkDeparture(id: string): Promise<ResultOf<typeof checkDeparture>> {
    const { processes, engine, device, home, hasher } = this.#context;
    const managed = processes.get(id);
    // Looked at while it is dumped, it would seem to have a debugger.
    managed.requireMovable();
    const facts = await engine.inspect(managed);
    const { privilegedHelper } = await device();
    const findings = await engine.departure(managed, facts, privilegedHelper);
    const files = await DepartureFiles.open(managed, facts, home, hasher);
    const sizes = facts.mappedFiles.filter((each) => !each.deleted).map((each) => each.size);
    const roots = facts.packageRoots
      .filter((each) => files.carriedRoots.includes(each.path))
      .map((each) => each.bytes);
    return {
      facts: { engine: 'criu', document: facts },
      findings: [...findings],
      memoryBytes: facts.memoryBytes,
      fileBytes: [...sizes, ...roots].reduce((sum, each) => sum + each, 0),
    };
  }

  async checkArrival(id: string, facts: ProcessFacts): Promise<ResultOf<typeof checkArrival>> {
    const { processes, engine, device } = this.#context;
    if (processes.find(id)?.isLive === true) {
      throw new FlickError('busy', 'The process already runs on this device.');
    }
    const document = engine.parseFacts(facts);
    const { userNamespaces } = await device();
    const missingBytes = await engine.missingBytes(document);
    const findings = await engine.arrival(document, missingBytes, userNamespaces);
    return { findings: [...findings], missingBytes };
  }

  /** @throws {FlickError} `noSuchProcess`, `busy`, `processGone`, `inDoubt` */
  async send(params: ParamsOf<typeof sendProcess>): Promise<Departure> {
    const managed = this.#context.processes.get(params.id);
    this.#refuseKnown(params.handoff);
    managed.beginHandoff({
      id: params.handoff,
      role: 'source',
      peer: params.target,
      step: 'check',
      doneBytes: 0,
      totalBytes: 0,
    });
    const departure = new Departure({
      id: params.handoff,
      peer: params.target,
      managed,
      context: this.#context,
      left: () => this.#context.processes.leave(managed),
      doubt: (capture) => {
        this.#originals.set(params.handoff, capture);
        managed.setDoubt(true);
      },
    });
    this.#departures.set(departure.id, departure);
    this.#follow(departure.result, () => this.#departures.delete(departure.id));
    departure.result.catch((error: unknown) => {
      if (error instanceof FlickError && error.reason !== 'cancelled') {
        void managed
          .update({ remark: `The last move failed: ${error.message}` })
          .catch(() => undefined);
      }
    });
    return Promise.resolve(departure);
  }

  /** The handoff by which a process is on its way to this device. */
  arrivalOf(processId: string): string | undefined {
    return [...this.#arrivals.values()].find((each) => each.processId === processId && !each.isOver)
      ?.id;
  }

  /** @throws {FlickError} `busy` when it runs here already */
  async receive(params: ParamsOf<typeof receiveProcess>): Promise<Arrival> {
    this.#refuseKnown(params.handoff);
    if (
      this.arrivalOf(params.id) !== undefined ||
      this.#context.processes.find(params.id)?.isLive === true
    ) {
      throw new FlickError('busy', 'The process already runs on this device, or is on its way.');
    }
    const arrival = new Arrival({
      id: params.handoff,
      processId: params.id,
      peer: params.source,
      context: this.#context,
    });
    this.#arrivals.set(arrival.id, arrival);
    this.#follow(arrival.result, () => this.#arrivals.delete(arrival.id));
    return Promise.resolve(arrival);
  }

  /** @throws {FlickError} what ended it; `invalidRequest` when there was no such departure */
  outcome(handoff: string): Promise<HandoffOutcome> {
    const departure = this.#departures.get(handoff);
    if (departure === undefined) {
      return Promise.reject(
        new FlickError('invalidRequest', `There is no move ${handoff} from this device.`),
      );
    }
    return departure.result;
  }

  cancel(handoff: string): boolean {
    return (this.#departures.get(handoff) ?? this.#arrivals.get(handoff))?.cancel() ?? false;
  }

  /** What this device durably knows. An undecided arrival gives up first, so that the answer stays true. */
  async query(handoff: string): Promise<HandoffVerdict> {
    const arrival = this.#arrivals.get(handoff);
    if (arrival !== undefined) return arrival.verdict();
    return this.#context.ledger.get(handoff)?.verdict ?? 'unknown';
  }

  doubts(): ResultOf<typeof listDoubts>['doubts'] {
    const { ledger } = this.#context;
    return ledger
      .all()
      .filter((each) => !this.#departures.has(each.id) || this.#originals.has(each.id))
      .map(({ id, process, role, peer }) => ({ handoff: id, process, role, peer }));
  }

  /**
   * Ends a handoff that was interrupted after its release, by what the other side durably knows.
   * @returns whether the process runs here
   * @throws {FlickError} `invalidRequest` when there is nothing to settle
   */
  async settle(handoff: string, peerVerdict: HandoffVerdict): Promise<boolean> {
    const { ledger, processes } = this.#context;
    const entry = ledger.get(handoff);
    if (entry === undefined) {
      throw new FlickError('invalidRequest', 'That move is settled already.');
    }
    if (entry.role === 'target') {
      // The source's word that its copy is gone: nobody will ask again.
      if (peerVerdict === 'unknown' || peerVerdict === 'done') await ledger.remove(handoff);
      return true;
    }
    const managed = processes.find(entry.process);
    const original = this.#originals.get(handoff);
    const runsThere = peerVerdict === 'running' || peerVerdict === 'done';
    if (peerVerdict === 'held' || peerVerdict === 'released') {
      throw new FlickError('inDoubt', 'The other device has not decided yet.');
    }
    if (runsThere) await original?.release();
    else await original?.abort();
    this.#originals.delete(handoff);
    await ledger.remove(handoff);
    if (managed !== undefined) {
      if (runsThere) await processes.leave(managed);
      else {
        managed.setDoubt(false);
        await this.#context.debug.wake(managed, handoff, false);
        await managed.releaseInput();
      }
    }
    return !runsThere;
  }

  async #recoverOne(managed: ManagedProcess): Promise<void> {
    const { ledger } = this.#context;
    const { arriving } = managed.record;
    const released = ledger.forProcess(managed.id, 'source');
    const guard = released === undefined ? undefined : await this.#guardOf(managed, released.id);
    const pending = await (managed.cell ?? guard)?.pendingHold();
    if (arriving !== null && ledger.get(arriving)?.verdict === 'running') {
      // It was given to this device, whose daemon ended before it could let it run.
      if (pending?.kind === 'restore') await pending.job.verdict(true);
      await recoverHomecoming(managed.folders.journal, 'commit');
      await managed.update({ arriving: null });
      return;
    }
    if (pending?.kind !== 'dump') {
      if (released !== undefined && managed.record.cell === null && process.getuid?.() !== 0) {
        this.#originals.set(released.id, {
          release: () => settleThroughHelper(released.id, true),
          abort: () => settleThroughHelper(released.id, false),
        });
        managed.setDoubt(true);
        return;
      }
      if (released !== undefined && managed.isLive) {
        this.#originals.set(released.id, killedOutright(managed));
        managed.setDoubt(true);
      }
      return;
    }
    const original = originalOf(managed, pending.job, guard);
    if (released === undefined) {
      await original.abort();
      return;
    }
    this.#originals.set(released.id, original);
    managed.setDoubt(true);
  }

  async #guardOf(managed: ManagedProcess, handoff: string): Promise<Cell | undefined> {
    if (managed.record.cell !== null) return undefined;
    const folder = join(managed.folders.root, `guard-${handoff}`);
    return Cell.reconnect(folder, 0, undefined, this.#context.logger);
  }

  #refuseKnown(handoff: string): void {
    const { ledger } = this.#context;
    const known = this.#departures.has(handoff) || this.#arrivals.has(handoff);
    if (known || ledger.get(handoff) !== undefined) {
      throw new FlickError('invalidRequest', `The move ${handoff} has begun already.`);
    }
  }

  #follow(result: Promise<unknown>, forget: () => void): void {
    this.#active += 1;
    const end = (): void => {
      this.#active -= 1;
      setTimeout(forget, outcomeKept).unref();
      if (this.#active === 0) this.#idle.fire();
    };
    result.then(end, end);
  }

  #announce(progress: HandoffProgress): void {
    const last = this.#lastProgress.get(progress.handoff);
    const now = performance.now();
    if (last?.step === progress.step && now - last.at < progressInterval) return;
    this.#lastProgress.set(progress.handoff, { step: progress.step, at: now });
    this.#progress.fire(progress);
  }
}

function originalOf(managed: ManagedProcess, job: HeldJob, guard: Cell | undefined): Original {
  const tidy = async (): Promise<void> => {
    await guard?.shutdown();
    if (managed.record.cell === null) return;
    if (managed.cell !== undefined) await removeTree(join(managed.cell.folder, 'images'));
  };
  return {
    release: async () => {
      await job.verdict(true);
      await tidy();
    },
    abort: async () => {
      await job.verdict(false);
      await tidy();
    },
  };
}

/** For a process whose holding CRIU is gone although it was released: it must not go on once the target has it. */
function killedOutright(managed: ManagedProcess): Original {
  return {
    release: async () => {
      if (managed.pid === undefined) return;
      const tree = await readTree(managed.pid);
      for (const { pid } of tree?.processes ?? []) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
      }
    },
    abort: () => Promise.resolve(),
  };
}
