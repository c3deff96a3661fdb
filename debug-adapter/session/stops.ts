import type { Protocol } from '../cdp.ts';
import type { Breakpoints } from '../sources/breakpoints.ts';
import type { Sources } from '../sources/sources.ts';
import type { DebugThread, StopReason, ThreadStop } from './debugThread.ts';

/** What to make of a stop: tell the editor, or go on as if nothing had happened. */
export type Verdict =
  | { readonly kind: 'stop'; readonly reason: StopReason }
  | { readonly kind: 'goOn'; readonly motion: 'continue' | 'next' | 'stepIn' | 'stepOut' };

/** So many steps are taken on behalf of one that the person asked for, to leave code that they do not want to see. */
const maxOwnSteps = 128;

export interface JudgeOptions {
  readonly sources: Sources;
  readonly breakpoints: Breakpoints;
  readonly smartStep: boolean;
  /** Id of the breakpoint on the program's first line, when it was asked for. */
  readonly entryBreakpoint: () => string | undefined;
}

/** Decides why a thread stands still and whether people want to know. */
export async function judgeStop(
  thread: DebugThread,
  stop: ThreadStop,
  options: JudgeOptions,
): Promise<Verdict> {
  const { paused } = stop;
  // With exceptions asked for, V8 also stops at assertions of `console`, which throw nothing.
  if (paused.reason === 'assert' && !thread.pauseAsked) return { kind: 'goOn', motion: 'continue' };
  if (isException(paused)) return { kind: 'stop', reason: exceptionReason(paused) };
  const entry = options.entryBreakpoint();
  if (entry !== undefined && paused.hitBreakpoints?.includes(entry) === true) {
    return { kind: 'stop', reason: { reason: 'entry', description: 'Paused on entry' } };
  }
  const hit = options.breakpoints.hit(paused);
  if (hit !== 'elsewhere' && hit.length > 0) {
    return {
      kind: 'stop',
      reason: {
        reason: 'breakpoint',
        description: 'Paused on a breakpoint',
        hitBreakpointIds: hit,
      },
    };
  }
  if (thread.pauseAsked)
    return { kind: 'stop', reason: { reason: 'pause', description: 'Paused' } };
  if (thread.motion === 'continue') {
    if (hit === 'elsewhere') return { kind: 'goOn', motion: 'continue' };
    const description = 'Paused on a debugger statement';
    return { kind: 'stop', reason: { reason: 'pause', description } };
  }
  const motion = await stepOn(thread, stop, options);
  if (motion !== undefined) return { kind: 'goOn', motion };
  const description =
    thread.motion === 'restartFrame' ? 'Paused where the function begins' : 'Paused after a step';
  return { kind: 'stop', reason: { reason: 'step', description } };
}

/** How to go on from a place where a step should not end; undefined where it may. */
async function stepOn(
  thread: DebugThread,
  stop: ThreadStop,
  { sources, smartStep }: JudgeOptions,
): Promise<'next' | 'stepIn' | 'stepOut' | undefined> {
  const [top] = stop.paused.callFrames;
  if (top === undefined || thread.ownSteps >= maxOwnSteps) return undefined;
  const { stepTarget } = thread;
  thread.stepTarget = undefined;
  if (stepTarget !== undefined && isSamePlace(stepTarget, top.location)) return 'stepIn';
  const { skipped, mapped } = await sources.locate(thread.cdp, top.location);
  if (!skipped && (mapped || !smartStep)) return undefined;
  thread.ownSteps += 1;
  if (skipped) return thread.motion === 'stepIn' ? 'stepIn' : 'stepOut';
  return thread.motion === 'next' || thread.motion === 'stepOut' ? 'next' : 'stepIn';
}

export function isSamePlace(
  one: Protocol.Debugger.Location,
  other: Protocol.Debugger.Location,
): boolean {
  return (
    one.scriptId === other.scriptId &&
    one.lineNumber === other.lineNumber &&
    (one.columnNumber ?? 0) === (other.columnNumber ?? 0)
  );
}

export function isException({ reason }: Protocol.Debugger.PausedEvent): boolean {
  return reason === 'exception' || reason === 'promiseRejection';
}

/** What was thrown, with what V8 adds when a thread stops for it. */
export type ThrownObject = Protocol.Runtime.RemoteObject & { readonly uncaught?: boolean };

/** @returns undefined when the stop is for no exception */
export function thrownIn(paused: Protocol.Debugger.PausedEvent): ThrownObject | undefined {
  return isException(paused) ? (paused.data as ThrownObject | undefined) : undefined;
}

/** First line of what was thrown: `TypeError: x is not a function`. */
export function headlineOf(thrown: ThrownObject | undefined): string {
  const text = thrown?.description ?? String(thrown?.value ?? 'unknown');
  return text.split('\n', 1)[0] ?? text;
}

function exceptionReason(paused: Protocol.Debugger.PausedEvent): StopReason {
  const thrown = thrownIn(paused);
  const description =
    paused.reason === 'promiseRejection'
      ? 'Paused on a promise rejection'
      : thrown?.uncaught === true
        ? 'Paused on an uncaught exception'
        : 'Paused on an exception';
  return { reason: 'exception', description, text: headlineOf(thrown) };
}
