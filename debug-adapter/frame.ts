import type { CdpThread, Protocol } from './cdp.ts';

/** A thread that stands still: what the runtime pushed when it stopped. */
export interface Stop {
  readonly thread: CdpThread;
  readonly paused: Protocol.Debugger.PausedEvent;
  /** Properties of the top frame's scopes that came with the stop, by the scope's object id. */
  readonly scopes: Readonly<Record<string, Protocol.Runtime.GetPropertiesResponse>>;
}

/** A frame of a stop that can be looked into and evaluated on. */
export interface LiveFrame {
  readonly stop: Stop;
  readonly frame: Protocol.Debugger.CallFrame;
}
