import type { HandoffVerdict } from '../../protocol/index.ts';
import { sourceStep, sourceVerdict } from './sourceMachine.ts';
import { targetStep, targetVerdict } from './targetMachine.ts';

/**
 * The handoff as a state machine, both halves (docs/handoff.md). Pure: no clock, no disk, no stream. Whoever runs it
 * carries out the effects of a step in their order, one after the other, and stops at the first that fails.
 */

/** What a source durably says of a handoff; without a word the process never left, or is gone and confirmed. */
export const sourceWords = ['released', 'serving', 'aborted', 'claimed'] as const;
export type SourceWord = (typeof sourceWords)[number];
/** What a target durably says; without a word it has nothing of the process, or its word is not needed any more. */
export const targetWords = [
  'accepted',
  'incomplete',
  'running',
  'aborted',
  'lost',
  'superseded',
] as const;
export type TargetWord = (typeof targetWords)[number];

/** What the two say to each other that decides something; everything before `held` does not. */
export type Message = 'held' | 'run' | 'incomplete' | 'running' | 'complete' | 'done' | 'abort';

/** What a person may decide when the other device is gone. */
export type Choice = 'runHere' | 'gone';

/** Where the source stands. `down` is an agent that does not run. */
export type SourceState =
  | { readonly role: 'source'; readonly phase: 'down' }
  /** The process runs, or stands still in a way that lets it run on if the agent dies. */
  | { readonly role: 'source'; readonly phase: 'moving' }
  /** Given away, the target is expected to answer over the stream. The original stands still. */
  | { readonly role: 'source'; readonly phase: 'released' }
  /**
   * Given away, and what the target made of it is not known; or its copy is known to be lost, and a person decides.
   * `intact`, here and below: the original is still there.
   */
  | {
      readonly role: 'source';
      readonly phase: 'doubt';
      readonly peer: 'away' | 'lost';
      readonly intact: boolean;
    }
  /** The target runs, and fetches pages from the original, which may never run again by itself. */
  | {
      readonly role: 'source';
      readonly phase: 'serving';
      readonly peer: 'linked' | 'away' | 'lost';
      readonly intact: boolean;
    }
  /** A person said that it runs here; the target has not heard it. */
  | { readonly role: 'source'; readonly phase: 'claimed' }
  | { readonly role: 'source'; readonly phase: 'over'; readonly runs: 'here' | 'there' };

/** What comes of letting a copy run. */
export type Outcome = Extract<TargetWord, 'incomplete' | 'running' | 'aborted'>;

/** Where the target stands. `lazy`: its copy runs before all its pages are here. */
export type TargetState = { readonly role: 'target'; readonly lazy: boolean } & (
  | { readonly phase: 'down' }
  /** Files and images arrive, a copy is made. Nothing was promised. */
  | { readonly phase: 'building' }
  /** The copy is complete and has not run. */
  | { readonly phase: 'held' }
  /** It was given the process and lets it run; `outcome` is the word for what came of it, if it could not be written yet. */
  | { readonly phase: 'resuming'; readonly outcome?: Outcome }
  /** It has run here. `stranded`: the pages that are missing will not come any more. */
  | { readonly phase: 'running'; readonly complete: boolean; readonly stranded: boolean }
  /** The copy is certainly gone and has never run. */
  | { readonly phase: 'aborted' }
  /** The copy has run, and was lost with its device or keeper. */
  | { readonly phase: 'lost' }
  /** The process was claimed back while this device was away: the copy stands still for good unless a person says otherwise. */
  | { readonly phase: 'superseded' }
  /** `aborted`: this agent still knows that it has given up. */
  | { readonly phase: 'over'; readonly aborted: boolean }
);

export type State = SourceState | TargetState;

export type Effect<Word extends string = SourceWord | TargetWord> =
  /** The frozen process stays as it is when the agent dies. */
  | { readonly do: 'pin' }
  /** Durable before the next effect. */
  | { readonly do: 'write'; readonly word: Word }
  /** Durably takes the word back. */
  | { readonly do: 'erase' }
  | { readonly do: 'send'; readonly message: Message }
  /** Source: the original runs on. */
  | { readonly do: 'letRun' }
  /** Ends what there is of the process here; done when it is certainly gone. */
  | { readonly do: 'discard' }
  /** Source: takes the process off this device. */
  | { readonly do: 'leave' }
  /** Target: begins to let the copy run; `resumed` or `resumeFailed` follows. */
  | { readonly do: 'resume' }
  /** Target: its record durably says that the process lives here, whatever is known of the handoff. */
  | { readonly do: 'keep' }
  /** Target: the running copy stands still, in a way that outlives the agent. */
  | { readonly do: 'stop' }
  /** Target: takes `stop` back. */
  | { readonly do: 'goOn' };

/** An effect failed, those after it were not tried; without one, something else of the handoff failed. */
interface Failed<S> {
  readonly type: 'failed';
  readonly effect?: Effect['do'];
  /** The state before the step that the effect belongs to. */
  readonly before: S;
}

/** Common to both: a person cancels, the stream is gone, a client tells what the other side durably says. */
type Common<S> =
  | { readonly type: 'cancel' }
  | { readonly type: 'linkLost' }
  | { readonly type: 'settle'; readonly peer: HandoffVerdict }
  | { readonly type: 'decide'; readonly choice: Choice }
  | Failed<S>;

export type SourceEvent =
  | Common<SourceState>
  | { readonly type: 'message'; readonly message: 'held' | 'running' | 'incomplete' }
  | { readonly type: 'message'; readonly message: 'complete' | 'abort' }
  /** The target is connected again and fetches the pages that it lacks. */
  | { readonly type: 'linked' }
  /** The original, which stood still, was lost with its keeper. */
  | { readonly type: 'originalLost' }
  /**
   * All that survives: the word, and whether the original stands still, runs, is gone, or was taken off this device
   * (`leave`).
   */
  | {
      readonly type: 'restart';
      readonly word: SourceWord | undefined;
      readonly original: 'held' | 'runs' | 'gone' | 'left';
    };

export type TargetEvent =
  | Common<TargetState>
  | { readonly type: 'message'; readonly message: 'done' | 'abort' }
  /** `lazy`: pages are still missing, and the copy is to run without them; as the state says where it is absent. */
  | { readonly type: 'message'; readonly message: 'run'; readonly lazy?: boolean }
  | { readonly type: 'restored' }
  /** A client asks; what it is told is {@link verdictOf} once the effects are carried out. */
  | { readonly type: 'query' }
  | { readonly type: 'resumed' }
  | { readonly type: 'resumeFailed' }
  /** The last page is here and verified, or the process has ended and needs none. */
  | { readonly type: 'pagesArrived' }
  | { readonly type: 'copyLost' }
  /** All that survives: the word, what has become of the copy, and whether `keep` was carried out. */
  | {
      readonly type: 'restart';
      readonly word: TargetWord | undefined;
      readonly kept: boolean;
      readonly copy: 'held' | 'resuming' | 'runs' | 'ended' | 'gone';
    };

export type Event = SourceEvent | TargetEvent;

export interface Step<S, Word extends string> {
  readonly state: S;
  readonly effects: readonly Effect<Word>[];
}

export type SourceStep = Step<SourceState, SourceWord>;
export type TargetStep = Step<TargetState, TargetWord>;

/** One step of either half; an event that means nothing in a state changes nothing. */
export function reduce(state: SourceState, event: SourceEvent): SourceStep;
export function reduce(state: TargetState, event: TargetEvent): TargetStep;
export function reduce(state: State, event: Event): SourceStep | TargetStep {
  return state.role === 'source'
    ? sourceStep(state, event as SourceEvent)
    : targetStep(state, event as TargetEvent);
}

/** What a side answers when it is asked. `held` means: not decided, ask again. */
export function verdictOf(state: State): HandoffVerdict {
  return state.role === 'source' ? sourceVerdict(state) : targetVerdict(state);
}

/** What a person can decide in a state; each risk is told in docs/handoff.md. */
export function choicesOf(state: State): readonly Choice[] {
  switch (state.phase) {
    case 'doubt':
    case 'serving':
      return state.intact ? ['runHere', 'gone'] : ['gone'];
    case 'superseded':
      return ['runHere', 'gone'];
    case 'running':
      return state.complete ? [] : ['gone'];
    default:
      return [];
  }
}
