import type { Duplex } from 'node:stream';
import type { Disposable } from './disposable.ts';
import type { Event } from './event.ts';
import type { Debuggee, ExitStatus, FlickError } from '../protocol/index.ts';

/** Where the debugged process is, as far as its debugger is concerned. */
export type LinkState =
  | { readonly kind: 'attached'; readonly place: DebuggeePlace }
  /** On its way; `to` is the name of the device it goes to, when known. */
  | { readonly kind: 'moving'; readonly to: string | undefined }
  /** The device that has the process cannot be reached; `why` is a sentence. */
  | { readonly kind: 'waiting'; readonly why: string }
  | { readonly kind: 'ended'; readonly exit: ExitStatus }
  /** The process runs, and cannot be debugged (any more). */
  | { readonly kind: 'refused'; readonly error: FlickError };

export interface DebuggeePlace {
  /** Name of the device. */
  readonly device: string;
  /** True on the machine where the adapter runs: paths there are paths here. */
  readonly isLocal: boolean;
  readonly debuggee: Debuggee;
}

/** A line to the debug runtime of one process that follows it from device to device. */
export interface DebuggeeLink extends Disposable {
  readonly state: LinkState;
  readonly onDidChangeState: Event<LinkState>;
  /**
   * A stream whose other end is the runtime; nothing has been read or written. Fires again whenever the one before has
   * closed and the process can be reached, wherever it then is, until the link is disposed.
   */
  readonly onDidOpen: Event<Duplex>;
  /** Begins to connect, once; subscribe first. */
  start(): void;
}

export interface LaunchRequest {
  /** Name of the device; undefined is the machine where the adapter runs. */
  readonly device: string | undefined;
  readonly command: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly name: string | undefined;
  /** Wait before the first line until `Flick.start`. */
  readonly wait: boolean;
}

export interface FoundDebuggee {
  /** Id of the managed process. */
  readonly id: string;
  readonly name: string;
}

/** What the adapter needs of the world around it: devices and the processes on them. */
export interface DebugHost {
  /** @throws {FlickError} why it could not be started */
  launch(request: LaunchRequest): Promise<FoundDebuggee>;
  /** By id or name. @throws {FlickError} `noSuchProcess`, `ambiguous` */
  find(nameOrId: string, device: string | undefined): Promise<FoundDebuggee>;
  /** @param innerPid which Node.js process of the tree; undefined takes the first */
  link(id: string, innerPid: number | undefined): DebuggeeLink;
  /** @throws {FlickError} `processGone`, `linkLost` */
  signal(id: string, signal: string): Promise<void>;
}
