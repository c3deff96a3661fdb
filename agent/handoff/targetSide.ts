import { messageOf } from '../../common/rpc.ts';
import type { HandoffVerdict, ProcessDoubt } from '../../protocol/index.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { Actor } from './actor.ts';
import { memoryFrom } from './installation.ts';
import type { HandoffContext } from './context.ts';
import {
  choicesOf,
  reduce,
  verdictOf,
  type Effect,
  type Message,
  type TargetEvent,
  type TargetState,
  type TargetWord,
} from './machine.ts';
import { describeEffect, traceHandoff } from './trace.ts';

/** The copy of an arriving process. */
export interface Copy {
  /** It stays held when this agent dies. */
  pin(): Promise<void>;
  /** Lets it run. @throws why it does not */
  resume(): Promise<void>;
  /** @throws while it is not certain that it is gone */
  discard(): Promise<void>;
  /** Its record says that it lives here. */
  keep(): Promise<void>;
  stop(): Promise<void>;
  goOn(): Promise<void>;
}

/** The target's half of the machine on this device: what it decides is carried out on disk, process and stream. */
export class TargetSide {
  readonly id: string;
  readonly process: string;
  readonly peer: string;
  readonly #context: HandoffContext;
  readonly #actor: Actor<TargetState, TargetEvent, TargetWord>;
  readonly #over: () => void;
  #resuming: Promise<void> = Promise.resolve();
  #isFollowed = false;
  copy: Copy | undefined;
  managed: ManagedProcess | undefined;
  /** What kept the last effect from being carried out, or the copy from running. */
  failure: unknown;
  /** How to reach the source over the stream; undefined without one. */
  send: ((message: Message) => Promise<void>) | undefined;

  constructor(options: {
    readonly id: string;
    readonly process: string;
    readonly peer: string;
    readonly context: HandoffContext;
    readonly phase: 'building' | 'down';
    readonly lazy: boolean;
    /** Nothing is left to be decided. */
    readonly over: () => void;
  }) {
    this.id = options.id;
    this.process = options.process;
    this.peer = options.peer;
    this.#context = options.context;
    this.#over = options.over;
    this.#actor = new Actor<TargetState, TargetEvent, TargetWord>({
      state: { role: 'target', lazy: options.lazy, phase: options.phase },
      reduce,
      perform: async (effect) => {
        try {
          await this.#perform(effect);
        } catch (error) {
          this.failure = error;
          throw error;
        }
        traceHandoff(options.context.logger, options.id, 'target', describeEffect(effect));
      },
      changed: (state) => this.#changed(state),
    });
  }

  get state(): TargetState {
    return this.#actor.state;
  }

  heeds(event: TargetEvent): boolean {
    return this.#actor.heeds(event);
  }

  feed(event: TargetEvent): Promise<void> {
    return this.#actor.feed(event);
  }

  /** Resolves when the copy has run and that is durable. @throws why it did not run */
  get resumed(): Promise<void> {
    return this.#resuming;
  }

  /** Resolves when nothing is under way, a copy that is being let run included. */
  async idle(): Promise<void> {
    await this.#resuming.catch(() => undefined);
    await this.#actor.idle();
  }

  /** What is durably so, once all that was begun is done. */
  async verdict(): Promise<HandoffVerdict> {
    await this.idle();
    // An outcome that could not be written is tried again.
    await this.#actor.feed({ type: 'query' }).catch(() => undefined);
    return verdictOf(this.state);
  }

  async #perform(effect: Effect<TargetWord>): Promise<void> {
    const { ledger, logger } = this.#context;
    switch (effect.do) {
      case 'pin':
        return this.copy?.pin();
      case 'write':
        return ledger.write({
          id: this.id,
          process: this.process,
          role: 'target',
          verdict: effect.word,
          peer: this.peer,
          ...(this.state.lazy ? { lazy: true } : {}),
        });
      case 'erase':
        return ledger.remove(this.id).catch((error: unknown) =>
          logger.log('error', 'a word of a handoff could not be erased', {
            handoff: this.id,
            error: messageOf(error),
          }),
        );
      case 'send':
        return this.send?.(effect.message);
      case 'resume':
        this.#resuming = this.#resume();
        // Whoever waits for it hears of a failure; without anybody it is none of the daemon's.
        this.#resuming.catch(() => undefined);
        return;
      case 'discard':
        return this.copy?.discard();
      case 'keep':
        return this.copy?.keep();
      case 'stop':
        return this.copy?.stop();
      case 'goOn':
        return this.copy?.goOn();
      default:
        throw new Error(`A target does not ${effect.do}.`);
    }
  }

  async #resume(): Promise<void> {
    try {
      await this.copy?.resume();
    } catch (error) {
      this.failure = error;
      await this.#actor.feed({ type: 'resumeFailed' }).catch(() => undefined);
      throw error;
    }
    await this.#actor.feed({ type: 'resumed' });
  }

  #changed(state: TargetState): void {
    const { managed } = this;
    if (managed !== undefined && state.phase === 'running' && !state.complete) {
      managed.setArrivingMemory(managed.arrivingMemory ?? memoryFrom(this.peer));
      if (!this.#isFollowed) void this.#followEnd(managed).catch(() => undefined);
    }
    this.managed?.setDoubt(this.id, this.#doubtIn(state));
    if (state.phase === 'over') this.#over();
  }

  /** A process that has ended needs no memory any more. */
  async #followEnd(managed: ManagedProcess): Promise<void> {
    this.#isFollowed = true;
    const end = await managed.cell?.ended;
    if (end?.kind === 'lost') await this.feed({ type: 'copyLost' });
    else if (end?.kind === 'exited') await this.feed({ type: 'pagesArrived' });
    else return;
    managed.setArrivingMemory(undefined);
  }

  #doubtIn(state: TargetState): ProcessDoubt | undefined {
    const about = { handoff: this.id, peer: this.peer, choices: [...choicesOf(state)] };
    if (state.phase === 'superseded') return { ...about, what: 'superseded' };
    return state.phase === 'running' && state.stranded ? { ...about, what: 'stranded' } : undefined;
  }
}
