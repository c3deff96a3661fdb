/**
 * What a session makes of a pause. `stop`: its debugger wants it; `pass`: it was one of its own log points, hit counts or
 * the like, and is done with; `neutral`: none of its doing.
 */
export type Verdict = 'stop' | 'pass' | 'neutral';

export interface PauseMember {
  /** Looks at the pause and does what has to be done without a debugger. */
  judge(): Promise<Verdict>;
  /** Tells its debugger. */
  stopped(): void;
  /** Runs on; called for one member only. */
  goOn(): void;
}

/** A session that has enabled its debugger and has not heard of a pause yet is waited for no longer than this, in ms. */
const patience = 30;

/**
 * Every session hears of every pause of the thread. The council of all of them decides whether it is shown: one
 * session's log point must not look like a stop to another one's debugger.
 */
export class PauseCouncil {
  readonly #enabled = new Set<object>();
  #members = new Map<object, PauseMember>();
  #state: 'running' | 'gathering' | 'judging' | 'stopped' = 'running';
  #timer: NodeJS.Timeout | undefined;
  #pause = 0;

  /** True while the thread stands still and debuggers know. */
  get isStopped(): boolean {
    return this.#state === 'stopped';
  }

  enable(key: object): void {
    this.#enabled.add(key);
  }

  disable(key: object): void {
    this.#enabled.delete(key);
    this.#members.delete(key);
    this.#gather();
  }

  paused(key: object, member: PauseMember): void {
    if (this.#state === 'stopped' || this.#state === 'judging') {
      // It came late to a pause that the others know already.
      if (this.#state === 'stopped') member.stopped();
      else this.#members.set(key, member);
      return;
    }
    this.#state = 'gathering';
    this.#members.set(key, member);
    this.#timer ??= setTimeout(() => this.#judge(), patience);
    this.#gather();
  }

  /** The thread runs again. Every session says so; the first one counts. */
  resumed(): void {
    if (this.#state !== 'running') this.#clear();
  }

  #gather(): void {
    if (this.#state !== 'gathering') return;
    if ([...this.#enabled].every((key) => this.#members.has(key))) this.#judge();
  }

  #judge(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#state !== 'gathering') return;
    this.#state = 'judging';
    const pause = this.#pause;
    const asked = [...this.#members.values()];
    void Promise.all(asked.map((each) => each.judge().catch((): Verdict => 'stop'))).then(
      (verdicts) => {
        if (this.#pause === pause) this.#conclude(verdicts);
      },
    );
  }

  #conclude(verdicts: readonly Verdict[]): void {
    const members = [...this.#members.values()];
    const passes = verdicts.includes('pass') && !verdicts.includes('stop');
    const [first] = members;
    if (passes && first !== undefined) {
      const index = verdicts.indexOf('pass');
      this.#clear();
      (members[index] ?? first).goOn();
      return;
    }
    this.#state = 'stopped';
    for (const each of members) each.stopped();
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pause += 1;
    this.#state = 'running';
    this.#members = new Map();
  }
}
