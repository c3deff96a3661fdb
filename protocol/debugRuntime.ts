import type { Protocol } from 'devtools-protocol/types/protocol.js';

// What a debugger and the runtime in a process say to each other. Loaded into other people's processes: imports nothing.

/** Version of what is spoken between the runtime in a process and a debugger. A runtime moves, its code with it. */
export const runtimeVersion = 1;

/**
 * How a debugger is served. `adapter`: what it needs at a stop is gathered in the process and pushed with it, log points
 * and hit counts never leave the process. `cdp`: the inspector's own protocol, unchanged.
 */
export const runtimeModes = ['adapter', 'cdp'] as const;
export type RuntimeMode = (typeof runtimeModes)[number];

/** First line of a debugger on a stream to the runtime. */
export interface RuntimeHello {
  readonly flick: 'debug';
  readonly version: number;
  readonly mode: RuntimeMode;
  /** Token of the session that is to be continued; null for a new one. */
  readonly token: string | null;
  /** Number of the last message received in that session. */
  readonly received: number;
  /** How long the session waits for its debugger after the link broke, in ms; then the process runs on without it. */
  readonly graceMs: number;
}

/** A CDP request, addressed to a thread: 0 (or absent) is the main thread, others are announced by `Flick.threadStarted`. */
export interface RuntimeRequest {
  readonly id: number;
  readonly method: string;
  readonly params?: object | undefined;
  readonly thread?: number | undefined;
}
export interface RuntimeResponse {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly code?: number | undefined; readonly message: string };
}
export interface RuntimeEvent {
  readonly method: string;
  readonly params?: unknown;
  readonly thread?: number | undefined;
}

/** What happens at a breakpoint without the debugger being asked. */
export interface BreakpointAction {
  /**
   * Stop only when this holds for the number of hits so far, this one included: `=5`, `>5`, `>=5`, `<5`, `<=5`, `%5`
   * (every fifth) or `5` (the fifth and every later one).
   */
  readonly hitCondition?: string | undefined;
  /** A JavaScript expression evaluated on the top frame; its value is reported as `Flick.logged` and the process goes on. */
  readonly log?: string | undefined;
}

/**
 * Requests of the runtime's own domain, adapter mode. Everything else goes to the inspector as it is, with these
 * differences: `Debugger.paused` arrives as `Flick.paused`; texts longer than {@link maxRemoteText} in results of
 * `Runtime` and `Debugger` requests are cut and marked.
 */
export interface FlickCommands {
  /** Like `Debugger.setBreakpointByUrl`, with an action. Use `Debugger.removeBreakpoint` to remove it. */
  'Flick.setBreakpointByUrl': {
    params: Protocol.Debugger.SetBreakpointByUrlRequest & { action?: BreakpointAction | undefined };
    result: Protocol.Debugger.SetBreakpointByUrlResponse;
  };
  /** Conditions are JavaScript, evaluated on the throwing frame, where `error` is the exception. */
  'Flick.setExceptions': {
    params: {
      caught: boolean;
      uncaught: boolean;
      caughtCondition?: string | undefined;
      uncaughtCondition?: string | undefined;
    };
    result: object;
  };
  /**
   * Holds every script before its first statement that matches (`Flick.scriptHeld`) until `Flick.releaseScript`, so that
   * breakpoints can still be set in it. `names`: base names of files, such as `app.js`; `sourceMapped`: every script that
   * names a source map. Empty names and false end it.
   */
  'Flick.holdScripts': { params: { names: string[]; sourceMapped: boolean }; result: object };
  'Flick.releaseScript': { params: object; result: object };
  /** `Runtime.callFunctionOn`, then `Runtime.getProperties` of what it returned: one round trip. */
  'Flick.callAndGetProperties': {
    params: {
      call: Protocol.Runtime.CallFunctionOnRequest;
      get: Omit<Protocol.Runtime.GetPropertiesRequest, 'objectId'>;
    };
    result: {
      value: Protocol.Runtime.RemoteObject;
      exceptionDetails?: Protocol.Runtime.ExceptionDetails | undefined;
      properties?: Protocol.Runtime.GetPropertiesResponse | undefined;
    };
  };
  /**
   * SHA-256 (hex) and length in bytes (UTF-8) of scripts' sources. A script's source is the file's content without byte
   * order mark; unknown scripts are left out.
   */
  'Flick.hashScripts': {
    params: { scriptIds: string[] };
    result: { hashes: Record<string, { sha256: string; bytes: number }> };
  };
  /** Reads a file as the process sees it, without its main thread. `text` is null when it is longer than `limit` bytes. */
  'Flick.readFile': {
    params: { path: string; limit: number };
    result: { text: string | null; size: number };
  };
  /** Lets a process run that was launched to be debugged and waits for its first line. */
  'Flick.start': { params: object; result: object };
  /** Ends the session now: its breakpoints go, the process runs on unless somebody else holds it. */
  'Flick.leave': { params: object; result: object };
}

/** Events of the runtime's own domain, adapter mode. */
export interface FlickEvents {
  /** In place of `Debugger.paused`. */
  'Flick.paused': {
    paused: Protocol.Debugger.PausedEvent;
    /**
     * Properties of the first frame's scopes (global scope aside), by the scope's object id, as `Runtime.getProperties`
     * with `ownProperties` and `generatePreview` gives them; scopes with very many variables are left out.
     */
    scopes: Record<string, Protocol.Runtime.GetPropertiesResponse>;
  };
  'Flick.logged': {
    breakpointId: string;
    text: string;
    location: Protocol.Debugger.Location;
    url: string;
  };
  'Flick.scriptHeld': { scriptId: string };
  /** So many messages of the console were not kept while the debugger was away. */
  'Flick.outputDropped': { messages: number };
  /** A worker thread of the program. Its CDP domains are not enabled yet. */
  'Flick.threadStarted': { thread: number; title: string; url: string };
  'Flick.threadEnded': { thread: number };
}

/** Longest text value that is sent whole, in UTF-16 code units. */
export const maxRemoteText = 1 << 20;
/** Longest message in either direction, in bytes. What is longer is answered with an error. */
export const maxRuntimeMessage = 64 << 20;
