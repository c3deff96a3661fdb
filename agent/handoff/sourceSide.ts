import { messageOf } from '../../common/rpc.ts';
import type { HandoffVerdict, ProcessDoubt } from '../../protocol/index.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { Actor } from './actor.ts';
import type { HandoffContext } from './context.ts';
import {
  choicesOf,
  reduce,
  verdictOf,
  type Effect,
  type Message,
  type SourceEvent,
  type SourceState,
  type SourceWord,
} from './machine.ts';
import { describeEffect, traceHandoff } from './trace.ts';

/** The frozen original of a process on its way. */
export interface Original {
  /** It stays frozen when this agent dies. */
  pin(): Promise<void>;
  /** It runs on. */
  abort(): Promise<void>;
  /** It is gone for good. */
  release(): Promise<void>;
}

/** The source's half of the machine on this device: what it decides is carried out on disk, process and stream. */
export class SourceSide {
  readonly id: string;
  readonly process: string;
  readonly peer: string;
  readonly #context: HandoffContext;
  readonly #managed: ManagedProcess | undefined;
  readonly #actor: Actor<SourceState, SourceEvent, SourceWord>;
  readonly #over: () => void;
  /** Undefined until the process stands still, and when nothing of it is left. */
  original: Original | undefined;
  /** How to reach the target over the stream; undefined without one. */
  send: ((message: Message) => Promise<void>) | undefined;
  /** Gives no more memory to the copy that runs; undefined while none is given. */
  stopServing: (() => void) | undefined;

  constructor(options: {
    readonly id: string;
    readonly process: string;
    readonly peer: string;
    readonly managed: ManagedProcess | undefined;
    readonly context: HandoffContext;
    readonly phase: 'moving' | 'down';
    /** Nothing is left to be decided. */
    readonly over: () => void;
  }) {
    this.id = options.id;
    this.process = options.process;
    this.peer = options.peer;
    this.#managed = options.managed;
    this.#context = options.context;
    this.#over = options.over;
    this.#actor = new Actor<SourceState, SourceEvent, SourceWord>({
      state: { role: 'source', phase: options.phase },
      reduce,
      perform: async (effect) => {
        await this.#perform(effect);
        traceHandoff(options.context.logger, options.id, 'source', describeEffect(effect));
      },
      changed: (state) => this.#changed(state),
    });
  }

  get managed(): ManagedProcess | undefined {
    return this.#managed;
  }

  get state(): SourceState {
    return this.#actor.state;
  }

  heeds(event: SourceEvent): boolean {
    return this.#actor.heeds(event);
  }

  feed(event: SourceEvent): Promise<void> {
    return this.#actor.feed(event);
  }

  /** What is durably so, once all that was begun is done. */
  async verdict(): Promise<HandoffVerdict> {
    await this.#actor.idle();
    return verdictOf(this.state);
  }

  async #perform(effect: Effect<SourceWord>): Promise<void> {
    const { ledger, processes } = this.#context;
    switch (effect.do) {
      case 'pin':
        return this.original?.pin();
      case 'write':
        return ledger.write({
          id: this.id,
          process: this.process,
          role: 'source',
          verdict: effect.word,
          peer: this.peer,
        });
      case 'erase':
        return this.#anyhow(effect, () => ledger.remove(this.id));
      case 'send':
        return this.send?.(effect.message);
      case 'letRun':
        return this.#anyhow(effect, () => this.#letRun());
      case 'discard':
        return this.#anyhow(effect, async () => this.original?.release());
      case 'leave':
        return this.#anyhow(effect, async () => {
          if (this.#managed !== undefined) await processes.leave(this.#managed);
        });
      default:
        throw new Error(`A source does not ${effect.do}.`);
    }
  }

  async #letRun(): Promise<void> {
    this.stopServing?.();
    await this.original?.abort();
    const managed = this.#managed;
    if (managed === undefined) return;
    await this.#context.debug.wake(managed, this.id, false);
    await managed.releaseInput();
  }

  /** What cannot be undone is not stopped by a failure either: a start of the agent finishes it. */
  async #anyhow(effect: Effect, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#context.logger.log('error', 'a step of a handoff failed', {
        handoff: this.id,
        step: effect.do,
        error: messageOf(error),
      });
    }
  }

  #changed(state: SourceState): void {
    const serves = state.phase === 'serving' && state.intact;
    const managed = this.#managed;
    if (managed !== undefined && serves !== (managed.serving !== undefined)) {
      const { id, peer } = this;
      const begun = {
        id,
        peer,
        role: 'source',
        step: 'serve',
        doneBytes: 0,
        totalBytes: 0,
      } as const;
      managed.setServing(serves ? begun : undefined);
    }
    this.#managed?.setDoubt(this.id, this.#doubtIn(state));
    if (state.phase === 'over') this.#over();
  }

  #doubtIn(state: SourceState): ProcessDoubt | undefined {
    const about = { handoff: this.id, peer: this.peer, choices: [...choicesOf(state)] };
    if (state.phase === 'doubt') {
      return { ...about, what: state.peer === 'lost' ? 'lostThere' : 'released' };
    }
    if (state.phase !== 'serving' || state.peer === 'linked') return undefined;
    return { ...about, what: state.peer === 'lost' ? 'lostThere' : 'serving' };
  }
}
