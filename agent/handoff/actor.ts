import type { Effect } from './machine.ts';

interface Failed<S> {
  readonly type: 'failed';
  readonly effect?: Effect['do'];
  readonly before: S;
}

type Reduce<S, E, W extends string> = (
  state: S,
  event: E | Failed<S>,
) => { readonly state: S; readonly effects: readonly Effect<W>[] };

/** Runs one half of the machine: takes events in at once, and carries their effects out one after the other. */
export class Actor<S, E, W extends string> {
  readonly #reduce: Reduce<S, E, W>;
  readonly #perform: (effect: Effect<W>) => Promise<void>;
  readonly #changed: (state: S) => void;
  #state: S;
  #tail: Promise<void> = Promise.resolve();
  /** Counts failures: what waits behind an effect that failed is not carried out. */
  #failures = 0;

  constructor(options: {
    readonly state: S;
    readonly reduce: Reduce<S, E, W>;
    readonly perform: (effect: Effect<W>) => Promise<void>;
    /** The state has changed, and what belongs to it is done. */
    readonly changed: (state: S) => void;
  }) {
    this.#state = options.state;
    this.#reduce = options.reduce;
    this.#perform = options.perform;
    this.#changed = options.changed;
  }

  get state(): S {
    return this.#state;
  }

  /** Whether the event would change anything now. */
  heeds(event: E): boolean {
    const { state, effects } = this.#reduce(this.#state, event);
    return state !== this.#state || effects.length > 0;
  }

  /** @throws what kept an effect of this event from being carried out; the state is then what the machine makes of that */
  feed(event: E): Promise<void> {
    const before = this.#state;
    const { state, effects } = this.#reduce(before, event);
    this.#state = state;
    const { length } = effects;
    const failures = this.#failures;
    const work = this.#tail.then(async () => {
      if (failures !== this.#failures && length > 0) throw new Error('An earlier step failed.');
      await this.#carryOut(effects, before);
      this.#changed(this.#state);
    });
    this.#tail = work.catch(() => undefined);
    return work;
  }

  /** Resolves when nothing waits to be carried out. */
  async idle(): Promise<void> {
    for (let tail: unknown; tail !== this.#tail;) {
      tail = this.#tail;
      await tail;
    }
  }

  async #carryOut(effects: readonly Effect<W>[], before: S): Promise<void> {
    for (const effect of effects) {
      try {
        await this.#perform(effect);
      } catch (error) {
        this.#failures += 1;
        const failed = this.#state;
        const after = this.#reduce(failed, { type: 'failed', effect: effect.do, before });
        this.#state = after.state;
        await this.#carryOut(after.effects, failed).catch(() => undefined);
        this.#changed(this.#state);
        throw error;
      }
    }
  }
}
