import type { HandoffVerdict } from '../../protocol/index.ts';
import type {
  Choice,
  Effect,
  SourceEvent,
  SourceState,
  SourceStep,
  SourceWord,
} from './machine.ts';

type Effects = readonly Effect<SourceWord>[];

const discarded: Effects = [{ do: 'discard' }, { do: 'leave' }, { do: 'erase' }];
/** Written first: a crash in the middle then needs nobody to be asked. */
const takenBack: Effects = [{ do: 'write', word: 'aborted' }, { do: 'letRun' }, { do: 'erase' }];

const runsHere: SourceState = { role: 'source', phase: 'over', runs: 'here' };
const runsThere: SourceState = { role: 'source', phase: 'over', runs: 'there' };
const inDoubt: SourceState = { role: 'source', phase: 'doubt', peer: 'away', intact: true };

export function sourceStep(state: SourceState, event: SourceEvent): SourceStep {
  if (event.type === 'failed') return failed(state, event);
  switch (state.phase) {
    case 'down':
      return event.type === 'restart' ? restarted(event) : stay(state);
    case 'moving':
      return moving(state, event);
    case 'released':
      return released(state, event);
    case 'doubt':
      return doubt(state, event);
    case 'serving':
      return serving(state, event);
    case 'claimed':
      return claimed(state, event);
    case 'over':
      return stay(state);
  }
}

export function sourceVerdict(state: SourceState): HandoffVerdict {
  switch (state.phase) {
    case 'moving':
      // Not `unknown`, which says for ever that there is nothing here: a target would drop its word over it.
      return 'held';
    case 'released':
    case 'doubt':
      return 'released';
    case 'serving':
      return state.intact ? 'serving' : 'lost';
    case 'claimed':
      return 'claimed';
    case 'down':
    case 'over':
      return 'unknown';
  }
}

function moving(state: SourceState, event: SourceEvent): SourceStep {
  switch (event.type) {
    case 'message':
      if (event.message === 'held') {
        return {
          state: { role: 'source', phase: 'released' },
          effects: [
            { do: 'pin' },
            { do: 'write', word: 'released' },
            { do: 'send', message: 'run' },
          ],
        };
      }
      return event.message === 'abort' ? step(runsHere, [{ do: 'letRun' }]) : stay(state);
    case 'cancel':
    case 'linkLost':
      return step(runsHere, [{ do: 'letRun' }, { do: 'send', message: 'abort' }]);
    default:
      return stay(state);
  }
}

function released(state: SourceState, event: SourceEvent): SourceStep {
  switch (event.type) {
    case 'message':
      switch (event.message) {
        case 'running':
          return step(runsThere, [...discarded, { do: 'send', message: 'done' }]);
        case 'incomplete':
          return serve('linked', true);
        case 'abort':
          return step(runsHere, [...takenBack, { do: 'send', message: 'done' }]);
        default:
          return stay(state);
      }
    case 'linkLost':
      return stay(inDoubt);
    default:
      // A client that tells something of the target has to wait: over the stream the target tells it itself.
      return stay(state);
  }
}

function doubt(state: Extract<SourceState, { phase: 'doubt' }>, event: SourceEvent): SourceStep {
  switch (event.type) {
    case 'settle':
      switch (event.peer) {
        case 'running':
        case 'done':
          return step(runsThere, discarded);
        case 'incomplete':
          return serve('away', state.intact);
        case 'aborted':
        case 'unknown':
          return step(runsHere, takenBack);
        case 'lost':
          return stay({ ...state, peer: 'lost' });
        default:
          return stay(state);
      }
    case 'decide':
      return decided(state, event.choice);
    case 'originalLost':
      return lostOriginal(state);
    default:
      return stay(state);
  }
}

function serving(
  state: Extract<SourceState, { phase: 'serving' }>,
  event: SourceEvent,
): SourceStep {
  switch (event.type) {
    case 'message':
      return event.message === 'complete' || event.message === 'running'
        ? step(runsThere, [...discarded, { do: 'send', message: 'done' }])
        : stay(state);
    case 'linkLost':
      return state.peer === 'linked' ? stay({ ...state, peer: 'away' }) : stay(state);
    case 'linked':
      return state.peer === 'away' ? stay({ ...state, peer: 'linked' }) : stay(state);
    case 'originalLost':
      return lostOriginal(state);
    case 'settle':
      switch (event.peer) {
        case 'running':
        case 'done':
          return step(runsThere, discarded);
        case 'lost':
          return state.intact ? stay({ ...state, peer: 'lost' }) : step(runsThere, discarded);
        case 'unknown':
        case 'aborted':
          // It did run there. That the device has forgotten it says nothing of the copy: only a person can.
          return state.intact ? stay(state) : step(runsThere, discarded);
        default:
          return stay(state);
      }
    case 'decide':
      return decided(state, event.choice);
    default:
      return stay(state);
  }
}

function claimed(state: SourceState, event: SourceEvent): SourceStep {
  if (event.type !== 'settle') return stay(state);
  switch (event.peer) {
    case 'superseded':
    case 'unknown':
    case 'aborted':
    case 'lost':
      return step(runsHere, [{ do: 'erase' }]);
    default:
      // Its copy may still run: it has to hear of the claim first.
      return stay(state);
  }
}

function decided(
  state: Extract<SourceState, { phase: 'doubt' | 'serving' }>,
  choice: Choice,
): SourceStep {
  if (choice === 'gone') return step(runsThere, discarded);
  if (!state.intact) return stay(state);
  return step({ role: 'source', phase: 'claimed' }, [
    { do: 'write', word: 'claimed' },
    { do: 'letRun' },
  ]);
}

/** Nothing is left here that could run or give pages: only the target can say what that means. */
function lostOriginal(state: Extract<SourceState, { phase: 'doubt' | 'serving' }>): SourceStep {
  return state.intact ? stay({ ...state, intact: false }) : stay(state);
}

function serve(peer: 'linked' | 'away', intact: boolean): SourceStep {
  return step({ role: 'source', phase: 'serving', peer, intact }, [
    { do: 'write', word: 'serving' },
  ]);
}

function restarted(event: Extract<SourceEvent, { type: 'restart' }>): SourceStep {
  const { word, original } = event;
  const stands = original === 'held';
  const intact = original !== 'gone';
  if (original === 'left' && word !== 'claimed') {
    return step(runsThere, word === undefined ? [] : [{ do: 'erase' }]);
  }
  switch (word) {
    case undefined:
      return step(runsHere, stands ? [{ do: 'letRun' }] : []);
    case 'released':
      return stay({ role: 'source', phase: 'doubt', peer: 'away', intact });
    case 'serving':
      return stay({ role: 'source', phase: 'serving', peer: 'away', intact });
    case 'aborted':
      return step(runsHere, stands ? [{ do: 'letRun' }, { do: 'erase' }] : [{ do: 'erase' }]);
    case 'claimed':
      return step({ role: 'source', phase: 'claimed' }, stands ? [{ do: 'letRun' }] : []);
  }
}

function failed(
  state: SourceState,
  { effect, before }: Extract<SourceEvent, { type: 'failed' }>,
): SourceStep {
  if (effect === undefined) {
    if (state.phase === 'moving') {
      return step(runsHere, [{ do: 'letRun' }, { do: 'send', message: 'abort' }]);
    }
    return stay(state.phase === 'released' ? inDoubt : state);
  }
  const left = before.phase === 'moving' && ['released', 'doubt'].includes(state.phase);
  if (left && (effect === 'pin' || effect === 'write')) {
    // `run` was not sent, so nobody else can run it, whatever of the word has reached the disk.
    return step(runsHere, [{ do: 'erase' }, { do: 'letRun' }, { do: 'send', message: 'abort' }]);
  }
  if (left) return stay(inDoubt);
  if (effect === 'write') return stay(before.phase === 'released' ? inDoubt : before);
  return stay(state);
}

function stay(state: SourceState): SourceStep {
  return step(state, []);
}

function step(state: SourceState, effects: Effects): SourceStep {
  return { state, effects };
}
