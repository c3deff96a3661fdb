import type {
  Choice,
  Effect,
  Event,
  Message,
  SourceState,
  SourceWord,
  State,
  TargetState,
  TargetWord,
} from '../../../agent/handoff/machine.ts';
import type { HandoffVerdict } from '../../../protocol/index.ts';

/** An effect that waits to be carried out, and the state before the step it belongs to. */
export interface Pending {
  readonly effect: Effect;
  readonly before: State;
}

/** A message on its way, or the end of the stream behind what was not lost. */
export type InFlight = Message | 'close';

/** Faults that may still happen. */
export interface Budget {
  readonly crashSource: number;
  readonly crashTarget: number;
  readonly cutSource: number;
  readonly cutTarget: number;
  /** The copy fails when it is let run. */
  readonly restoreFails: number;
  /** A record or a pin fails, the agent lives. */
  readonly effectFails: number;
  readonly cancels: number;
  /** Decisions of a person. */
  readonly decisions: number;
}

/** Both devices, what lies between them, and the client that goes from one to the other. Plain data. */
export interface World {
  readonly source: {
    readonly state: SourceState;
    readonly word: SourceWord | null;
    readonly queue: readonly Pending[];
    /** `held`: stands still until the agent dies; `pinned`: even then. */
    readonly original: 'runs' | 'held' | 'pinned' | 'dead';
    readonly left: boolean;
    readonly cut: boolean;
  };
  readonly target: {
    readonly state: TargetState;
    readonly word: TargetWord | null;
    readonly queue: readonly Pending[];
    readonly copy: 'none' | 'held' | 'pinned' | 'resuming' | 'runs' | 'stopped' | 'ended' | 'dead';
    readonly kept: boolean;
    readonly cut: boolean;
  };
  readonly isOpen: boolean;
  readonly toSource: readonly InFlight[];
  readonly toTarget: readonly InFlight[];
  /** What the client was last told; it may pass it on late, twice or never. */
  readonly told: { readonly source: HandoffVerdict | null; readonly target: HandoffVerdict | null };
  readonly budget: Budget;
  /** The copy has executed an instruction. */
  readonly ran: boolean;
  /**
   * Why no copy, or two, may be there: a device lost its power while it owned the process; a person claimed it, which
   * excuses two until the other side has heard it; a person let the superseded copy run on.
   */
  readonly excuse: { readonly none: boolean; readonly two: 'no' | 'claim' | 'person' };
}

export interface Move {
  readonly name: string;
  readonly next: World;
}

/** The machine as it is, or a mutant of it. */
export interface Rules {
  readonly reduce: (state: State, event: Event) => { state: State; effects: readonly Effect[] };
  readonly verdictOf: (state: State) => HandoffVerdict;
  readonly choicesOf: (state: State) => readonly Choice[];
  /** What the client passes on, see common/handoffVerdict.ts. */
  readonly mayTell: (verdict: HandoffVerdict, tookPart: boolean) => boolean;
}

/** Something that must never happen has happened. */
export class Violation extends Error {}

export function firstWorld(lazy: boolean, budget: Budget): World {
  return {
    source: {
      state: { role: 'source', phase: 'moving' },
      word: null,
      queue: [],
      original: 'held',
      left: false,
      cut: false,
    },
    target: {
      state: { role: 'target', lazy, phase: 'building' },
      word: null,
      queue: [],
      copy: 'none',
      kept: false,
      cut: false,
    },
    isOpen: true,
    toSource: [],
    toTarget: [],
    told: { source: null, target: null },
    budget,
    ran: false,
    excuse: { none: false, two: 'no' },
  };
}

type Source = World['source'];
type Target = World['target'];

export const withSource = (world: World, change: Partial<Source>): World => ({
  ...world,
  source: { ...world.source, ...change },
});
export const withTarget = (world: World, change: Partial<Target>): World => ({
  ...world,
  target: { ...world.target, ...change },
});

export function feedSource(rules: Rules, world: World, event: Event): World {
  const { state, queue } = world.source;
  const step = rules.reduce(state, event);
  const added = step.effects.map((effect) => ({ effect, before: state }));
  return withSource(world, { state: step.state as SourceState, queue: [...queue, ...added] });
}

export function feedTarget(rules: Rules, world: World, event: Event): World {
  const { state, queue } = world.target;
  const step = rules.reduce(state, event);
  const added = step.effects.map((effect) => ({ effect, before: state }));
  return withTarget(world, { state: step.state as TargetState, queue: [...queue, ...added] });
}

/** @throws {Violation} when a message goes out before the record that it depends on is durable */
function checkOrder(world: World, message: Message): void {
  const { source, target } = world;
  const missing =
    (message === 'run' && source.word !== 'released') ||
    (message === 'running' && target.word !== 'running') ||
    (message === 'incomplete' && target.word !== 'incomplete') ||
    (message === 'complete' && target.word !== 'running');
  if (missing) throw new Violation(`“${message}” was sent before its record was durable`);
}

/** Carries out the source's next effect. @throws {Violation} */
export function performSource(world: World, strict: boolean): Move {
  const { source, target } = world;
  const [head, ...queue] = source.queue;
  if (head === undefined) throw new Error('Nothing to do.');
  const { effect } = head;
  const done = (change: Partial<Source>): World => withSource(world, { ...change, queue });
  const name = `source: ${describe(effect)}`;
  switch (effect.do) {
    case 'pin':
      return { name, next: done(source.original === 'held' ? { original: 'pinned' } : {}) };
    case 'write':
      return { name, next: done({ word: effect.word as SourceWord }) };
    case 'erase': {
      const erased = done({ word: null });
      const heard = source.word === 'claimed' && world.excuse.two === 'claim';
      return {
        name,
        next: heard ? { ...erased, excuse: { ...world.excuse, two: 'no' } } : erased,
      };
    }
    case 'send':
      if (strict) checkOrder(world, effect.message);
      return {
        name,
        next: world.isOpen
          ? { ...done({}), toTarget: [...world.toTarget, effect.message] }
          : done({}),
      };
    case 'letRun': {
      const forked = world.ran && !target.cut && world.excuse.two === 'no';
      if (forked) throw new Violation('the original goes on although the copy has run');
      return { name, next: done(source.original === 'dead' ? {} : { original: 'runs' }) };
    }
    case 'discard':
      return { name, next: done({ original: 'dead' }) };
    case 'leave':
      return { name, next: done({ left: true }) };
    default:
      return { name, next: done({}) };
  }
}

/** Carries out the target's next effect. @throws {Violation} */
export function performTarget(world: World, strict: boolean): Move {
  const { target } = world;
  const [head, ...queue] = target.queue;
  if (head === undefined) throw new Error('Nothing to do.');
  const { effect } = head;
  const done = (change: Partial<Target>): World => withTarget(world, { ...change, queue });
  const turn = (from: Target['copy'], copy: Target['copy']): World =>
    done(target.copy === from ? { copy } : {});
  const name = `target: ${describe(effect)}`;
  switch (effect.do) {
    case 'pin':
      return { name, next: turn('held', 'pinned') };
    case 'write':
      return { name, next: done({ word: effect.word as TargetWord }) };
    case 'erase':
      return { name, next: done({ word: null }) };
    case 'send':
      if (strict) checkOrder(world, effect.message);
      return {
        name,
        next: world.isOpen
          ? { ...done({}), toSource: [...world.toSource, effect.message] }
          : done({}),
      };
    case 'discard':
      return { name, next: done(target.copy === 'ended' ? {} : { copy: 'dead' }) };
    case 'resume':
      return { name, next: turn('pinned', 'resuming') };
    case 'keep':
      return { name, next: done({ kept: true }) };
    case 'stop':
      return { name, next: turn('runs', 'stopped') };
    case 'goOn':
      return { name, next: turn('stopped', 'runs') };
    default:
      return { name, next: done({}) };
  }
}

function describe(effect: Effect): string {
  if (effect.do === 'write') return `writes ${effect.word}`;
  return effect.do === 'send' ? `sends ${effect.message}` : effect.do;
}

/** @throws {Violation} when two copies can run, or none is left */
export function checkCopies(world: World): void {
  const { source, target, excuse } = world;
  const mayBeTwo = excuse.two !== 'no';
  const runsThere = target.copy === 'runs' || target.copy === 'resuming';
  if (source.original === 'runs' && runsThere && !mayBeTwo) {
    throw new Violation('two copies can run');
  }
  const gone = target.copy === 'dead' || target.copy === 'none';
  if (source.original === 'dead' && gone && !excuse.none) {
    throw new Violation('no copy is left');
  }
  const lacks = target.word === 'accepted' || target.word === 'incomplete';
  const torn = target.state.lazy && lacks && runsThere;
  if (torn && !['pinned', 'held'].includes(source.original) && !excuse.none && !mayBeTwo) {
    throw new Violation('the copy lacks pages and nobody has them');
  }
}
