import type { Effect, Event, State } from '../../../agent/handoff/machine.ts';
import type { Budget, Rules } from './world.ts';

/** A machine with one mistake in it, and the faults that bring it to light. */
export interface Mutant {
  readonly name: string;
  readonly lazy?: boolean;
  readonly budget?: Partial<Budget>;
  readonly rules: (rules: Rules) => Rules;
}

type Step = ReturnType<Rules['reduce']>;

/** Changes what one step does. */
function changed(change: (step: Step, state: State, event: Event) => Step): Mutant['rules'] {
  return (rules) => ({
    ...rules,
    reduce: (state, event) => change(rules.reduce(state, event), state, event),
  });
}

/** Moves the effect that fits to another place among those of its step. */
function moved(fits: (effect: Effect, state: State) => boolean, to: number): Mutant['rules'] {
  return changed((step, state) => {
    const found = step.effects.find((each) => fits(each, state));
    if (found === undefined) return step;
    const effects = step.effects.filter((each) => each !== found);
    effects.splice(to, 0, found);
    return { ...step, effects };
  });
}

function dropped(fits: (effect: Effect, state: State) => boolean): Mutant['rules'] {
  return changed((step, state) => ({
    ...step,
    effects: step.effects.filter((each) => !fits(each, state)),
  }));
}

const sends = (message: string) => (effect: Effect) =>
  effect.do === 'send' && effect.message === message;
const runsHere: State = { role: 'source', phase: 'over', runs: 'here' };

export const mutants: readonly Mutant[] = [
  { name: 'the source says run before it has written released', rules: moved(sends('run'), 1) },
  {
    name: 'the source says run before it has pinned the original',
    rules: moved((effect, state) => state.role === 'source' && effect.do === 'pin', 2),
  },
  {
    name: 'the source never pins',
    rules: dropped((e, s) => s.role === 'source' && e.do === 'pin'),
  },
  {
    name: 'the source forgets the release when the link is lost',
    rules: changed((step, state, event) =>
      state.phase === 'released' && event.type === 'linkLost'
        ? { state: runsHere, effects: [{ do: 'letRun' }, { do: 'erase' }] }
        : step,
    ),
  },
  {
    name: 'the source gives up a release when it is cancelled',
    budget: { cancels: 1 },
    rules: changed((step, state, event) =>
      state.phase === 'released' && event.type === 'cancel'
        ? { state: runsHere, effects: [{ do: 'letRun' }, { do: 'erase' }] }
        : step,
    ),
  },
  {
    name: 'the source is sure of nothing after it was started anew',
    rules: changed((step, state, event) =>
      state.role === 'source' && event.type === 'restart' && event.word === 'released'
        ? { state: runsHere, effects: [{ do: 'letRun' }, { do: 'erase' }] }
        : step,
    ),
  },
  {
    name: 'the source takes an undecided target for one that has nothing',
    rules: changed((step, state, event) =>
      state.phase === 'doubt' && event.type === 'settle' && event.peer === 'held'
        ? { state: runsHere, effects: [{ do: 'letRun' }, { do: 'erase' }] }
        : step,
    ),
  },
  {
    name: 'the source says that it knows nothing while it has not decided',
    rules: (rules) => ({
      ...rules,
      verdictOf: (state) => (state.phase === 'moving' ? 'unknown' : rules.verdictOf(state)),
    }),
  },
  {
    name: 'the target lets its copy run before it has written accepted',
    rules: moved((effect) => effect.do === 'resume', 1),
  },
  {
    name: 'the target says running before it has written it',
    budget: { cutTarget: 1 },
    rules: moved(sends('running'), 0),
  },
  {
    name: 'the target erases its word although its record does not keep the process',
    rules: dropped((effect) => effect.do === 'keep'),
  },
  {
    name: 'the target says running before its copy has run',
    rules: (rules) => ({
      ...rules,
      verdictOf: (state) => (state.phase === 'resuming' ? 'running' : rules.verdictOf(state)),
    }),
  },
  {
    name: 'a target that finds a copy gone which never ran calls it its own',
    rules: changed((step, state, event) =>
      state.role === 'target' && event.type === 'restart' && event.word === 'accepted'
        ? {
            state: { ...state, phase: 'running', complete: true, stranded: false },
            effects: [{ do: 'write', word: 'running' }, { do: 'keep' }],
          }
        : step,
    ),
  },
  {
    name: 'a target that is asked answers without giving up',
    rules: (rules) => ({
      ...changed((step, state, event) =>
        state.role === 'target' && event.type === 'query' ? { state, effects: [] } : step,
      )(rules),
      verdictOf: (state) => (state.phase === 'building' ? 'aborted' : rules.verdictOf(state)),
    }),
  },
  {
    name: 'the target forgets that its copy runs when the link is lost',
    rules: changed((step, state, event) =>
      state.phase === 'running' && event.type === 'linkLost'
        ? {
            state: { ...state, role: 'target', lazy: false, phase: 'over', aborted: false },
            effects: [{ do: 'erase' }],
          }
        : step,
    ),
  },
  {
    name: 'the client believes any device that knows nothing',
    rules: (rules) => ({ ...rules, mayTell: () => true }),
  },
  {
    name: 'the source ends its original while pages are missing',
    lazy: true,
    rules: changed((step, _state, event) =>
      event.type === 'message' && event.message === 'incomplete'
        ? { state: { role: 'source', phase: 'over', runs: 'there' }, effects: [{ do: 'discard' }] }
        : step,
    ),
  },
  {
    name: 'the source lets its original run when the link of the pages is lost',
    lazy: true,
    rules: changed((step, state, event) =>
      state.phase === 'serving' && event.type === 'linkLost'
        ? { state: runsHere, effects: [{ do: 'letRun' }, { do: 'erase' }] }
        : step,
    ),
  },
  {
    name: 'a target without all pages says that it needs nothing more',
    lazy: true,
    rules: (rules) => ({
      ...rules,
      verdictOf: (state) => {
        const verdict = rules.verdictOf(state);
        return verdict === 'incomplete' ? 'running' : verdict;
      },
    }),
  },
  {
    name: 'a claim is forgotten before the target has heard of it',
    budget: { decisions: 1 },
    rules: changed((step, state, event) =>
      state.phase === 'claimed' && event.type === 'settle'
        ? { state: runsHere, effects: [{ do: 'erase' }] }
        : step,
    ),
  },
  {
    name: 'a target that hears of a claim runs on',
    budget: { decisions: 1 },
    rules: dropped((effect) => effect.do === 'stop'),
  },
];
