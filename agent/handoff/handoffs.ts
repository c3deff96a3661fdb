import { Emitter } from '../../common/event.ts';
import { messageOf } from '../../common/rpc.ts';
import {
  blocks,
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
import { removeImages } from '../processes/leftovers.ts';
import { progressInterval, type ManagedProcess } from '../processes/managedProcess.ts';
import { Arrival } from './arrival.ts';
import type { HandoffContext, HandoffOperation, HandoffProgress } from './context.ts';
import { findCopy } from './copies.ts';
import { Departure } from './departure.ts';
import { DepartureFiles } from './departureFiles.ts';
import type { LedgerEntry } from './ledger.ts';
import { choicesOf, verdictOf, type Choice, type State } from './machine.ts';
import { Fetching } from './fetching.ts';
import { memoryFrom, untilInstalled } from './installation.ts';
import { findOriginal, freeUnreleased } from './originals.ts';
import { Serving } from './serving.ts';
import { SourceSide } from './sourceSide.ts';
import { TargetSide } from './targetSide.ts';

/** How long the outcome of a handoff can still be asked for, in ms. */
const outcomeKept = 600_000;

/** All handoffs of this agent, in both roles. */
export class Handoffs {
  readonly #context: HandoffContext;
  readonly #departures = new Map<string, Pick<Departure, 'outcome' | 'cancel'>>();
  readonly #arrivals = new Map<
    string,
    Pick<Arrival, 'processId' | 'isOver' | 'verdict' | 'cancel'>
  >();
  /** Both halves of the machine, for every handoff of which something is left to be decided. */
  readonly #sources = new Map<string, SourceSide>();
  readonly #targets = new Map<string, TargetSide>();
  /** When nothing more is said on a handoff's last stream. */
  readonly #streams = new Map<string, Promise<void>>();
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
    const { processes, ledger } = this.#context;
    const entries = ledger.all();
    const leaving = new Set<string>();
    const open = new Set<string>();
    for (const entry of entries) {
      open.add(entry.process);
      if (entry.role === 'source') leaving.add(entry.process);
      await this.#guarded(entry.process, () => this.#recoverEntry(entry));
    }
    for (const managed of processes.list()) {
      if (leaving.has(managed.id)) continue;
      await this.#guarded(managed.id, async () => {
        await freeUnreleased(managed, this.#context.logger);
        if (!open.has(managed.id)) await removeImages(managed);
      });
    }
    for (const managed of processes.list()) {
      await this.#guarded(managed.id, () => this.#followInstallation(managed));
    }
  }

  /** Its keeper may still bring pages that an earlier daemon has fetched. */
  async #followInstallation(managed: ManagedProcess): Promise<void> {
    const { cell, isLive, arrivingMemory } = managed;
    if (!isLive || cell === undefined || arrivingMemory !== undefined) return;
    if (!(await cell.canLazy())) return;
    const state = await cell.lazyState().catch(() => undefined);
    if (state === undefined || state.finished || state.arrived < state.total) return;
    managed.setArrivingMemory(memoryFrom('the device where it was'));
    void untilInstalled(managed, cell);
  }

  async #guarded(process: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#context.logger.log('error', 'a handoff could not be recovered', {
        process,
        error: messageOf(error),
      });
    }
  }

  async #recoverEntry(entry: LedgerEntry): Promise<void> {
    const { processes, logger } = this.#context;
    const { id, process, peer } = entry;
    const managed = processes.find(process);
    if (entry.role === 'source') {
      const side = this.#sourceSide({ id, process, peer, managed, phase: 'down' });
      const { stands, original } = await findOriginal(managed, id, entry.verdict, logger);
      side.original = original;
      await side.feed({ type: 'restart', word: entry.verdict, original: stands });
      return;
    }
    const side = this.#targetSide({ id, process, peer, phase: 'down', lazy: entry.lazy === true });
    const found = await findCopy(managed, id, entry.verdict, processes);
    side.managed = managed;
    side.copy = found.copy;
    const { survivor, kept } = found;
    await side.feed({ type: 'restart', word: entry.verdict, copy: survivor, kept });
    // Until it is known whether it runs, nobody else is answered.
    await side.idle();
  }

  /** What a half needed that did not come to its end in one go: another daemon had begun it, or a word could not be written. */
  #ended(managed: ManagedProcess | undefined): void {
    // It may be on its way again by now.
    if (managed === undefined || managed.handoff !== undefined) return;
    void this.#guarded(managed.id, () => removeImages(managed));
  }

  #sourceSide(options: {
    readonly id: string;
    readonly process: string;
    readonly peer: string;
    readonly managed: ManagedProcess | undefined;
    readonly phase: 'moving' | 'down';
  }): SourceSide {
    const over = (): void => {
      this.#sources.delete(options.id);
      if (options.phase === 'down') this.#ended(options.managed);
    };
    const side = new SourceSide({ ...options, context: this.#context, over });
    this.#sources.set(side.id, side);
    return side;
  }

  #targetSide(options: {
    readonly id: string;
    readonly process: string;
    readonly peer: string;
    readonly phase: 'building' | 'down';
    readonly lazy: boolean;
  }): TargetSide {
    const over = (): void => {
      this.#targets.delete(options.id);
      this.#settle(side);
      this.#ended(side.managed);
    };
    const side: TargetSide = new TargetSide({ ...options, context: this.#context, over });
    this.#targets.set(side.id, side);
    return side;
  }

  /** @throws {FlickError} `noSuchProcess`, `processGone` */
  async checkDeparture({
    id,
    target,
    engine: name = 'criu',
  }: ParamsOf<typeof checkDeparture>): Promise<ResultOf<typeof checkDeparture>> {
    const { processes, engines, device, home, hasher, forecasts } = this.#context;
    const engine = engines[name];
    const managed = processes.get(id);
    // Looked at while it is dumped, it would seem to have a debugger.
    managed.requireMovable();
    const facts = await engine.inspect(managed);
    const { privilegedHelper } = await device();
    const known = await engine.departure(managed, facts, privilegedHelper);
    const tried = blocks(known) ? [] : await engine.rehearse(managed, facts);
    const files = await DepartureFiles.open(managed, facts, home, hasher);
    const sizes = facts.mappedFiles.filter((each) => !each.deleted).map((each) => each.size);
    const roots = facts.packageRoots
      .filter((each) => files.carriedRoots.includes(each.path))
      .map((each) => each.bytes);
    const experience =
      target === undefined ? undefined : forecasts.expect(target, id, facts.memoryBytes);
    return {
      facts: { engine: name, document: facts },
      findings: [...known, ...tried],
      memoryBytes: facts.memoryBytes,
      fileBytes: [...sizes, ...roots].reduce((sum, each) => sum + each, 0),
      ...(experience === undefined ? {} : { experience }),
    };
  }

  async checkArrival(id: string, facts: ProcessFacts): Promise<ResultOf<typeof checkArrival>> {
    const { processes, engines, device } = this.#context;
    const engine = engines[facts.engine];
    if (processes.find(id)?.isLive === true) {
      throw new FlickError('busy', 'The process already runs on this device.');
    }
    const document = engine.parseFacts(facts);
    const { userNamespaces } = await device();
    const missingBytes = await engine.missingBytes(document);
    const findings = await engine.arrival(document, missingBytes, userNamespaces);
    return { findings: [...findings], missingBytes };
  }

  /**
   * @param purpose with `capsule`, the other side is this agent's own, and calls the handoff off when it has all of it
   * @throws {FlickError} `noSuchProcess`, `busy`, `processGone`, `inDoubt`
   */
  async send(
    params: ParamsOf<typeof sendProcess>,
    purpose: 'move' | 'capsule' = 'move',
  ): Promise<Departure> {
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
      way: params.memory ?? 'auto',
      engine: this.#context.engines[params.engine ?? 'criu'],
      side: this.#sourceSide({
        id: params.handoff,
        process: params.id,
        peer: params.target,
        managed,
        phase: 'moving',
      }),
    });
    this.#departures.set(departure.id, departure);
    this.#follow(departure, this.#departures);
    void departure.streamOver.then(() => this.#departures.set(departure.id, ended(departure)));
    departure.result.catch((error: unknown) => {
      if (purpose === 'capsule') return;
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
    const arrivals = [...this.#arrivals];
    return arrivals.find(([, each]) => each.processId === processId && !each.isOver)?.[0];
  }

  /**
   * @param isRestore what arrives is a capsule of this device, which sends all of it
   * @throws {FlickError} `busy` when it runs here already
   */
  async receive(params: ParamsOf<typeof receiveProcess>, isRestore = false): Promise<Arrival> {
    this.#refuseKnown(params.handoff);
    if (
      this.arrivalOf(params.id) !== undefined ||
      this.#context.processes.find(params.id)?.isLive === true
    ) {
      throw new FlickError('busy', 'The process already runs on this device, or is on its way.');
    }
    const side = this.#targetSide({
      id: params.handoff,
      process: params.id,
      peer: params.source,
      phase: 'building',
      lazy: false,
    });
    const arrival = new Arrival({
      id: params.handoff,
      processId: params.id,
      peer: params.source,
      isRestore,
      context: this.#context,
      side,
    });
    this.#arrivals.set(arrival.id, arrival);
    this.#follow(arrival, this.#arrivals);
    void arrival.streamOver.then(() => this.#settle(side));
    return Promise.resolve(arrival);
  }

  /**
   * The original here gives the memory again that its running copy lacks.
   * @throws {FlickError} `invalidRequest` when there is none that does so
   */
  serveAgain(handoff: string): Serving {
    const side = this.#sources.get(handoff);
    const managed = side === undefined ? undefined : this.#context.processes.find(side.process);
    if (side?.state.phase !== 'serving' || managed === undefined) {
      throw new FlickError('invalidRequest', 'There is no memory here that is still needed.');
    }
    const earlier = this.#streams.get(handoff) ?? Promise.resolve();
    const serving = new Serving({ side, managed, context: this.#context, earlier });
    this.#remember(serving);
    return serving;
  }

  /**
   * The process here gets the memory again that it lacks.
   * @throws {FlickError} `invalidRequest` when it lacks none
   */
  fetchAgain(handoff: string): Fetching {
    const side = this.#targets.get(handoff);
    const { managed } = side ?? {};
    const { cell } = managed ?? {};
    const lacks = side?.state.phase === 'running' && !side.state.complete;
    if (side === undefined || managed === undefined || cell === undefined || !lacks) {
      throw new FlickError('invalidRequest', 'The process lacks no memory here.');
    }
    const earlier = this.#streams.get(handoff) ?? Promise.resolve();
    const fetching = new Fetching({ side, managed, cell, context: this.#context, earlier });
    this.#remember(fetching);
    return fetching;
  }

  /** @throws {FlickError} what ended it; `invalidRequest` when there was no such departure */
  outcome(handoff: string): Promise<HandoffOutcome> {
    const departure = this.#departures.get(handoff);
    if (departure === undefined) {
      return Promise.reject(
        new FlickError('invalidRequest', `There is no move ${handoff} from this device.`),
      );
    }
    return departure.outcome();
  }

  cancel(handoff: string): boolean {
    return (this.#departures.get(handoff) ?? this.#arrivals.get(handoff))?.cancel() ?? false;
  }

  /** What this device durably knows. An undecided arrival gives up first, so that the answer stays true. */
  async query(handoff: string): Promise<HandoffVerdict> {
    const target = this.#targets.get(handoff);
    if (target !== undefined) await noticeLoss(target);
    const source = this.#sources.get(handoff);
    if (source !== undefined) await noticeOriginalLoss(source);
    const asked = this.#arrivals.get(handoff) ?? target ?? source ?? nothingKnown;
    return asked.verdict();
  }

  doubts(): ResultOf<typeof listDoubts>['doubts'] {
    const sides = [...this.#sources.values(), ...this.#targets.values()];
    return sides
      .filter((side) => isOpen(side.state) && !isFetching(side))
      .map(({ id, process, state, peer }) => ({ handoff: id, process, role: state.role, peer }));
  }

  /**
   * Takes in what the other side durably says of a handoff that was interrupted.
   * @returns whether the process runs here
   * @throws {FlickError} `invalidRequest` when there is nothing to settle; `inDoubt` when that does not decide it
   */
  async settle(handoff: string, peerVerdict: HandoffVerdict): Promise<boolean> {
    const target = this.#targets.get(handoff);
    if (target !== undefined) {
      await target.idle();
      await noticeLoss(target);
      await target.feed({ type: 'settle', peer: peerVerdict });
      const { state } = target;
      return state.phase === 'running' || (state.phase === 'over' && !state.aborted);
    }
    const source = this.#sources.get(handoff);
    if (source === undefined) {
      throw new FlickError('invalidRequest', 'That move is settled already.');
    }
    await source.feed({ type: 'settle', peer: peerVerdict });
    const { state } = source;
    switch (state.phase) {
      case 'over':
        return state.runs === 'here';
      case 'claimed':
        return true;
      case 'serving':
        if (state.peer !== 'lost') return false;
        throw lostThere(source);
      case 'doubt':
        if (state.peer === 'lost') throw lostThere(source);
        throw new FlickError('inDoubt', 'The other device has not decided yet.');
      default:
        throw new FlickError('inDoubt', 'The move is still under way.');
    }
  }

  /**
   * A person decides about a process whose other device is gone.
   * @returns whether it runs here
   * @throws {FlickError} `invalidRequest` when that cannot be decided
   */
  async resolve(process: string, choice: Choice): Promise<boolean> {
    const sides = [...this.#sources.values(), ...this.#targets.values()];
    const side = sides.find(
      (each) => each.process === process && choicesOf(each.state).includes(choice),
    );
    if (side === undefined) {
      const { record } = this.#context.processes.get(process);
      throw new FlickError('invalidRequest', `There is nothing to decide about “${record.name}”.`);
    }
    this.#context.logger.log('warn', 'a person decided a doubt', { handoff: side.id, choice });
    await side.feed({ type: 'decide', choice });
    return choice === 'runHere';
  }

  #refuseKnown(handoff: string): void {
    const { ledger } = this.#context;
    const known = this.#departures.has(handoff) || this.#arrivals.has(handoff);
    if (known || ledger.get(handoff) !== undefined) {
      throw new FlickError('invalidRequest', `The move ${handoff} has begun already.`);
    }
  }

  /** Memory that follows a process which runs there already keeps no daemon from ending: the next one goes on with it. */
  #follow(
    { id, result, streamOver }: HandoffOperation<unknown>,
    asked: Map<string, unknown>,
  ): void {
    this.#active += 1;
    this.#remember({ id, streamOver });
    const end = (): void => {
      this.#active -= 1;
      if (this.#active === 0) this.#idle.fire();
    };
    result.then(end, end);
    void streamOver.then(() => {
      this.#lastProgress.delete(id);
      setTimeout(() => asked.delete(id), outcomeKept).unref();
    });
  }

  /** Of an arrival that is over, what became of it can still be asked; it had memory of the process itself. */
  #settle({ id, state }: TargetSide): void {
    const arrival = this.#arrivals.get(id);
    if (arrival?.isOver !== true || this.#targets.has(id)) return;
    const verdict = verdictOf(state);
    this.#arrivals.set(id, {
      processId: arrival.processId,
      isOver: true,
      verdict: () => Promise.resolve(verdict),
      cancel: () => false,
    });
  }

  #remember({ id, streamOver }: Pick<HandoffOperation<unknown>, 'id' | 'streamOver'>): void {
    this.#streams.set(id, streamOver);
    void streamOver.then(() => {
      if (this.#streams.get(id) === streamOver) this.#streams.delete(id);
    });
  }

  #announce(progress: HandoffProgress): void {
    const last = this.#lastProgress.get(progress.handoff);
    const now = performance.now();
    if (last?.step === progress.step && now - last.at < progressInterval) return;
    this.#lastProgress.set(progress.handoff, { step: progress.step, at: now });
    this.#progress.fire(progress);
  }
}

const nothingKnown = { verdict: () => Promise.resolve('unknown' as const) };

/** All that can still be asked of a departure that is over. */
function ended(departure: Departure): Pick<Departure, 'outcome' | 'cancel'> {
  const outcome = departure.outcome();
  outcome.catch(() => undefined);
  return { outcome: () => outcome, cancel: () => false };
}

/** True for a state in which the other side has to be met. */
function isOpen(state: State): boolean {
  switch (state.phase) {
    case 'doubt':
    case 'claimed':
    case 'running':
    case 'aborted':
    case 'lost':
    case 'superseded':
      return true;
    case 'serving':
      return state.peer !== 'linked';
    default:
      return false;
  }
}

/** It gets the memory that it lacks over a stream of its own, and nobody has to bring the two together. */
function isFetching({ state, send }: SourceSide | TargetSide): boolean {
  return state.phase === 'running' && !state.complete && send !== undefined;
}

/** Its keeper or its device can have died long after it came. */
async function noticeLoss(side: TargetSide): Promise<void> {
  const lost = side.managed !== undefined && side.managed.record.lost !== null;
  if (lost && side.heeds({ type: 'copyLost' })) await side.feed({ type: 'copyLost' });
}

/** So can what stands still until the other side has all of it. */
async function noticeOriginalLoss(side: SourceSide): Promise<void> {
  const { managed } = side;
  if (managed === undefined || !side.heeds({ type: 'originalLost' })) return;
  // What CRIU holds goes with it.
  if (managed.cell?.isOver === true) await managed.lost('CRIU, which held it, was ended.');
  if (!managed.isLive) await side.feed({ type: 'originalLost' });
}

function lostThere({ peer }: SourceSide): FlickError {
  return new FlickError('inDoubt', `It ran on ${peer} and was lost there.`, {
    remedy: 'Decide whether it goes on here as it was when it left (flick resolve).',
  });
}
