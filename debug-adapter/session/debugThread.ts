import type { CdpThread, Protocol } from '../cdp.ts';
import type { Stop } from '../frame.ts';
import { UserError } from '../userError.ts';
import { StackTrace } from './stackTrace.ts';
import type { FrameTable } from './frames.ts';

/** What a thread was asked to do when it was let run; says why it stops next. */
export type Motion = 'continue' | 'next' | 'stepIn' | 'stepOut' | 'restartFrame';

/** Why a thread stands still, as people are told. */
export interface StopReason {
  readonly reason: 'step' | 'breakpoint' | 'exception' | 'pause' | 'entry';
  readonly description: string;
  readonly text?: string;
  readonly hitBreakpointIds?: number[];
}

/** A stop and what the editor has been told of it. */
export class ThreadStop implements Stop {
  readonly thread: CdpThread;
  readonly paused: Protocol.Debugger.PausedEvent;
  readonly scopes: Readonly<Record<string, Protocol.Runtime.GetPropertiesResponse>>;
  readonly stack: StackTrace;
  /** Set once the editor knows. */
  reason: StopReason | undefined;

  constructor(
    thread: DebugThread,
    frames: FrameTable,
    pushed: {
      readonly paused: Protocol.Debugger.PausedEvent;
      readonly scopes: Readonly<Record<string, Protocol.Runtime.GetPropertiesResponse>>;
    },
  ) {
    this.thread = thread.cdp;
    this.paused = pushed.paused;
    this.scopes = pushed.scopes;
    this.stack = new StackTrace(thread, this, frames);
  }
}

/** A thread of the program and what the person has asked of it. */
export class DebugThread {
  /** As DAP knows it; 1 is the main thread. */
  readonly id: number;
  readonly cdp: CdpThread;
  readonly title: string;
  /** The stop that it stands at, whether or not the editor knows yet. */
  stop: ThreadStop | undefined;
  /** What it was let run for. */
  motion: Motion = 'continue';
  /** It was asked to stop wherever it is. */
  pauseAsked = false;
  /** Steps that it took on its own to leave code that nobody wants to see. */
  ownSteps = 0;
  /** The call that it was asked to step into, on the way to it. */
  stepTarget: Protocol.Debugger.Location | undefined;
  /** A request that lets it run and that has not been carried out. */
  leaving: { readonly motion: Motion; readonly done: Promise<void> } | undefined;
  /** What the editor must know before it hears of the next stop. */
  told: Promise<void> = Promise.resolve();

  constructor(cdp: CdpThread, title: string) {
    this.cdp = cdp;
    this.id = cdp.thread + 1;
    this.title = title;
  }

  /** @throws {UserError} when it runs */
  get stopped(): ThreadStop {
    if (this.stop?.reason !== undefined) return this.stop;
    throw new UserError(
      `The thread “${this.title}” is running.`,
      'Pause it or set a breakpoint first.',
    );
  }
}
