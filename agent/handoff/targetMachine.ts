import type { HandoffVerdict } from '../../protocol/index.ts';
import type { Effect, TargetEvent, TargetState, TargetStep, TargetWord } from './machine.ts';

type Effects = readonly Effect<TargetWord>[];
type Phase<P extends TargetState['phase']> = Extract<TargetState, { phase: P }>;

const abandoned: Effects = [{ do: 'discard' }, { do: 'send', message: 'abort' }];

export function targetStep(state: TargetState, event: TargetEvent): TargetStep {
  if (event.type === 'failed') return failed(state, event);
  switch (state.phase) {
    case 'down':
      return event.type === 'restart' ? restarted(state, event) : stay(state);
    case 'building':
    case 'held':
      return undecided(state, event);
    case 'resuming':
      return resuming(state, event);
    case 'running':
      return running(state, event);
    case 'aborted':
      return heard(event, ['done', 'unknown', 'aborted', 'claimed'])
        ? step(as(state, { phase: 'over', aborted: false }), [{ do: 'erase' }])
        : stay(state);
    case 'lost':
      return heard(event, ['done', 'unknown', 'aborted', 'claimed'])
        ? step(as(state, { phase: 'over', aborted: false }), [{ do: 'erase' }])
        : stay(state);
    case 'superseded':
      return superseded(state, event);
    case 'over':
      return stay(state);
  }
}

export function targetVerdict(state: TargetState): HandoffVerdict {
  switch (state.phase) {
    case 'building':
    case 'held':
    case 'resuming':
      return 'held';
    case 'running':
      // What the source does not have any more, it need not keep.
      return state.complete || state.stranded ? 'running' : 'incomplete';
    case 'aborted':
    case 'lost':
    case 'superseded':
      return state.phase;
    case 'over':
      return state.aborted ? 'aborted' : 'unknown';
    case 'down':
      return 'unknown';
  }
}

function undecided(state: Phase<'building' | 'held'>, event: TargetEvent): TargetStep {
  switch (event.type) {
    case 'restored':
      return state.phase === 'building'
        ? step(as(state, { phase: 'held' }), [{ do: 'send', message: 'held' }])
        : stay(state);
    case 'message':
      if (event.message === 'run' && state.phase === 'held') {
        const lazy = event.lazy ?? state.lazy;
        return step(as({ ...state, lazy }, { phase: 'resuming' }), [
          { do: 'pin' },
          { do: 'write', word: 'accepted' },
          { do: 'resume' },
        ]);
      }
      return event.message === 'abort'
        ? step(as(state, { phase: 'over', aborted: true }), [{ do: 'discard' }])
        : stay(state);
    case 'cancel':
    case 'linkLost':
    // Whoever is told something acts on it: so first it is made true for ever.
    case 'query':
      return step(as(state, { phase: 'over', aborted: true }), abandoned);
    default:
      return stay(state);
  }
}

function resuming(state: Phase<'resuming'>, event: TargetEvent): TargetStep {
  const { outcome, lazy } = state;
  switch (event.type) {
    case 'resumed':
      return ran(state, lazy ? 'incomplete' : 'running');
    case 'resumeFailed':
    case 'copyLost':
      return neverRan(state);
    case 'pagesArrived':
      return outcome === 'incomplete' ? ran(state, 'running') : stay(state);
    case 'query':
      if (outcome === undefined) return stay(state);
      return outcome === 'aborted' ? neverRan(state) : ran(state, outcome);
    default:
      return stay(state);
  }
}

function neverRan(state: TargetState): TargetStep {
  return step(as(state, { phase: 'aborted' }), [
    { do: 'discard' },
    { do: 'write', word: 'aborted' },
    { do: 'send', message: 'abort' },
  ]);
}

/** The copy has verifiably run: only this word lets the source end its own. */
function ran(state: TargetState, word: 'incomplete' | 'running'): TargetStep {
  const complete = word === 'running';
  return step(as(state, { phase: 'running', complete, stranded: false }), [
    { do: 'write', word },
    { do: 'keep' },
    { do: 'send', message: word },
  ]);
}

function running(state: Phase<'running'>, event: TargetEvent): TargetStep {
  const { complete } = state;
  switch (event.type) {
    case 'pagesArrived':
      return complete
        ? stay(state)
        : step({ ...state, complete: true, stranded: false }, [
            { do: 'write', word: 'running' },
            { do: 'send', message: 'complete' },
          ]);
    case 'message':
      return event.message === 'done' && complete
        ? step(as(state, { phase: 'over', aborted: false }), [{ do: 'erase' }])
        : stay(state);
    case 'settle':
      switch (event.peer) {
        case 'done':
        case 'unknown':
        case 'lost':
          return complete
            ? step(as(state, { phase: 'over', aborted: false }), [{ do: 'erase' }])
            : stay({ ...state, stranded: true });
        case 'claimed':
        case 'aborted':
          return step(as(state, { phase: 'superseded' }), [
            { do: 'write', word: 'superseded' },
            { do: 'stop' },
          ]);
        default:
          return stay(state);
      }
    case 'copyLost':
      return step(as(state, { phase: 'lost' }), [{ do: 'write', word: 'lost' }]);
    case 'decide':
      if (event.choice !== 'gone' || complete) return stay(state);
      // Nobody is left who would have to hear of it.
      return state.stranded
        ? step(as(state, { phase: 'over', aborted: false }), [{ do: 'discard' }, { do: 'erase' }])
        : step(as(state, { phase: 'lost' }), [{ do: 'discard' }, { do: 'write', word: 'lost' }]);
    default:
      return stay(state);
  }
}

function superseded(state: Phase<'superseded'>, event: TargetEvent): TargetStep {
  const over = as(state, { phase: 'over', aborted: false });
  switch (event.type) {
    case 'decide':
      return step(over, [{ do: event.choice === 'gone' ? 'discard' : 'goOn' }, { do: 'erase' }]);
    case 'copyLost':
      return step(over, [{ do: 'erase' }]);
    default:
      return stay(state);
  }
}

function restarted(
  state: TargetState,
  { word, copy, kept }: Extract<TargetEvent, { type: 'restart' }>,
): TargetStep {
  const gone: Effects = copy === 'gone' || copy === 'ended' ? [] : [{ do: 'discard' }];
  switch (word) {
    case undefined:
      return step(as(state, { phase: 'over', aborted: false }), kept ? [] : gone);
    case 'accepted':
      switch (copy) {
        case 'held':
          return step(as(state, { phase: 'resuming' }), [{ do: 'resume' }]);
        case 'resuming':
          return stay(as(state, { phase: 'resuming' }));
        case 'runs':
          return ran(state, state.lazy ? 'incomplete' : 'running');
        case 'ended':
          return ran(state, 'running');
        case 'gone':
          return step(as(state, { phase: 'aborted' }), [{ do: 'write', word: 'aborted' }]);
      }
    // falls through
    case 'incomplete':
    case 'running':
      switch (copy) {
        case 'gone':
          return step(as(state, { phase: 'lost' }), [{ do: 'write', word: 'lost' }]);
        case 'ended':
          return ran(state, 'running');
        case 'held':
          // Written by an agent that said so before it let the copy run.
          return step(as(state, { phase: 'resuming' }), [{ do: 'resume' }]);
        default:
          return step(
            as(state, { phase: 'running', complete: word === 'running', stranded: false }),
            kept ? [] : [{ do: 'keep' }],
          );
      }
    case 'aborted':
      return step(as(state, { phase: 'aborted' }), gone);
    case 'lost':
      return step(as(state, { phase: 'lost' }), gone);
    case 'superseded':
      return gone.length === 0
        ? step(as(state, { phase: 'over', aborted: false }), [{ do: 'erase' }])
        : step(as(state, { phase: 'superseded' }), [{ do: 'stop' }]);
  }
}

function failed(
  state: TargetState,
  { effect, before }: Extract<TargetEvent, { type: 'failed' }>,
): TargetStep {
  if (effect === undefined) {
    const open = state.phase === 'building' || state.phase === 'held';
    return open ? step(as(state, { phase: 'over', aborted: true }), abandoned) : stay(state);
  }
  if (effect === 'send') return stay(state);
  if (before.phase === 'held' && state.phase === 'resuming') {
    // It was not let run, whatever of the word has reached the disk.
    return step(as(state, { phase: 'over', aborted: true }), [
      { do: 'discard' },
      { do: 'erase' },
      { do: 'send', message: 'abort' },
    ]);
  }
  if (effect !== 'write' && effect !== 'discard' && effect !== 'keep') return stay(state);
  if (state.phase === 'running') {
    const outcome = state.complete ? 'running' : 'incomplete';
    return stay(as(state, { phase: 'resuming', outcome }));
  }
  if (state.phase === 'aborted') return stay(as(state, { phase: 'resuming', outcome: 'aborted' }));
  return stay(before);
}

function heard(event: TargetEvent, peer: readonly HandoffVerdict[]): boolean {
  if (event.type === 'message') return event.message === 'done';
  return event.type === 'settle' && peer.includes(event.peer);
}

type Bare<S> = S extends TargetState ? Omit<S, 'role' | 'lazy'> : never;

function as(state: TargetState, next: Bare<TargetState>): TargetState {
  return { role: 'target', lazy: state.lazy, ...next } as TargetState;
}

function stay(state: TargetState): TargetStep {
  return step(state, []);
}

function step(state: TargetState, effects: Effects): TargetStep {
  return { state, effects };
}
