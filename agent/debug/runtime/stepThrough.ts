import type { Protocol } from 'devtools-protocol/types/protocol.js';

export type StepKind = 'over' | 'out' | 'into';

interface Start {
  readonly kind: StepKind;
  readonly depth: number;
  readonly line: string;
}

/**
 * Remembers the step that a debugger has asked for. A log point in a function that is stepped over interrupts V8's own
 * step; what is left of it has to be asked for again.
 */
export class StepInProgress {
  #start: Start | undefined;
  #interrupted = false;

  /** True between a pause that was passed over and the end of the step. */
  get isInterrupted(): boolean {
    return this.#interrupted;
  }

  begin(kind: StepKind, frames: readonly Protocol.Debugger.CallFrame[]): void {
    const [top] = frames;
    this.#interrupted = false;
    this.#start = { kind, depth: frames.length, line: top === undefined ? '' : lineOf(top) };
  }

  end(): void {
    this.#interrupted = false;
    this.#start = undefined;
  }

  /** True when a step that was asked for may end here. */
  endsAt(frames: readonly Protocol.Debugger.CallFrame[]): boolean {
    return this.#start !== undefined && this.#rest(frames) === undefined;
  }

  /** @returns the request that goes on with what is left of the step; undefined when no step is under way */
  goOn(frames: readonly Protocol.Debugger.CallFrame[]): string | undefined {
    const rest = this.#rest(frames);
    this.#interrupted = rest !== undefined;
    return rest;
  }

  #rest(frames: readonly Protocol.Debugger.CallFrame[]): string | undefined {
    const start = this.#start;
    const [top] = frames;
    if (start === undefined || top === undefined || start.kind === 'into') return undefined;
    const target = start.kind === 'out' ? start.depth - 1 : start.depth;
    if (frames.length > target) return 'Debugger.stepOut';
    // Back from the function that was stepped over, the statement that called it is not over yet.
    const inside = this.#interrupted && start.kind === 'over' && frames.length === target;
    return inside && lineOf(top) === start.line ? 'Debugger.stepOver' : undefined;
  }
}

function lineOf({ location }: Protocol.Debugger.CallFrame): string {
  return `${location.scriptId}:${location.lineNumber}`;
}
