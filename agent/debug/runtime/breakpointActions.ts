import type { Protocol } from 'devtools-protocol/types/protocol.js';
import type { BreakpointAction } from '../../../protocol/debugRuntime.ts';
import type { InspectorTarget } from './inspectorTarget.ts';

export interface Logged {
  readonly breakpointId: string;
  readonly text: string;
  readonly location: Protocol.Debugger.Location;
}

/** Hit counts and log points of one session in one thread. */
export class BreakpointActions {
  readonly #target: InspectorTarget;
  readonly #logged: (logged: Logged) => void;
  readonly #actions = new Map<string, { readonly action: BreakpointAction; hits: number }>();

  constructor(target: InspectorTarget, logged: (logged: Logged) => void) {
    this.#target = target;
    this.#logged = logged;
  }

  set(breakpointId: string, action: BreakpointAction | undefined): void {
    if (action === undefined) this.#actions.delete(breakpointId);
    else this.#actions.set(breakpointId, { action, hits: 0 });
  }

  remove(breakpointId: string): void {
    this.#actions.delete(breakpointId);
  }

  /** Does what the breakpoint asks for at a hit. @returns whether the process is to stop for it */
  async hit(breakpointId: string, frame: Protocol.Debugger.CallFrame): Promise<boolean> {
    const known = this.#actions.get(breakpointId);
    if (known === undefined) return true;
    known.hits += 1;
    const { hitCondition, log } = known.action;
    if (hitCondition !== undefined && !meetsHitCondition(hitCondition, known.hits)) return false;
    if (log === undefined) return true;
    this.#logged({
      breakpointId,
      text: await this.#evaluate(log, frame),
      location: frame.location,
    });
    return false;
  }

  async #evaluate(expression: string, frame: Protocol.Debugger.CallFrame): Promise<string> {
    const { result, exceptionDetails } = (await this.#target.post('Debugger.evaluateOnCallFrame', {
      callFrameId: frame.callFrameId,
      expression,
      silent: true,
      returnByValue: true,
    })) as Protocol.Debugger.EvaluateOnCallFrameResponse;
    if (exceptionDetails === undefined) return String(result.value);
    const { exception, text } = exceptionDetails;
    return `The log message failed: ${exception?.description?.split('\n')[0] ?? text}`;
  }
}

/** @returns whether a breakpoint with this condition stops at its nth hit; a condition that is none always does */
export function meetsHitCondition(condition: string, hits: number): boolean {
  const match = /^\s*(={1,3}|>=?|<=?|%)?\s*(\d+)\s*$/.exec(condition);
  if (match === null) return true;
  const count = Number(match[2]);
  switch (match[1]) {
    case undefined:
    case '>=':
      return hits >= count;
    case '>':
      return hits > count;
    case '<':
      return hits < count;
    case '<=':
      return hits <= count;
    case '%':
      return count > 0 && hits % count === 0;
    default:
      return hits === count;
  }
}
