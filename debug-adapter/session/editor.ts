import type { DebugProtocol } from '@vscode/debugprotocol';

/** Bodies of the events that the adapter sends. */
export interface EventBodies {
  initialized: undefined;
  stopped: DebugProtocol.StoppedEvent['body'];
  continued: DebugProtocol.ContinuedEvent['body'];
  thread: DebugProtocol.ThreadEvent['body'];
  output: DebugProtocol.OutputEvent['body'];
  process: DebugProtocol.ProcessEvent['body'];
  breakpoint: DebugProtocol.BreakpointEvent['body'];
  loadedSource: DebugProtocol.LoadedSourceEvent['body'];
  invalidated: DebugProtocol.InvalidatedEvent['body'];
  memory: DebugProtocol.MemoryEvent['body'];
  progressStart: DebugProtocol.ProgressStartEvent['body'];
  progressUpdate: DebugProtocol.ProgressUpdateEvent['body'];
  progressEnd: DebugProtocol.ProgressEndEvent['body'];
  exited: DebugProtocol.ExitedEvent['body'];
  terminated: DebugProtocol.TerminatedEvent['body'];
}

/** Events that only some editors understand, and the capability that says so. */
const asksFor: Partial<Record<keyof EventBodies, keyof DebugProtocol.InitializeRequestArguments>> =
  {
    invalidated: 'supportsInvalidatedEvent',
    memory: 'supportsMemoryEvent',
    progressStart: 'supportsProgressReporting',
    progressUpdate: 'supportsProgressReporting',
    progressEnd: 'supportsProgressReporting',
  };

/** The program at the other end of DAP. */
export class Editor {
  readonly #send: (event: string, body: object | undefined) => void;
  #abilities: Partial<DebugProtocol.InitializeRequestArguments> = {};

  constructor(send: (event: string, body: object | undefined) => void) {
    this.#send = send;
  }

  /** What it said it can do when it introduced itself. */
  get abilities(): Partial<DebugProtocol.InitializeRequestArguments> {
    return this.#abilities;
  }

  introduce(abilities: Partial<DebugProtocol.InitializeRequestArguments>): void {
    this.#abilities = abilities;
  }

  emit<E extends keyof EventBodies>(event: E, body: EventBodies[E]): void {
    const ability = asksFor[event];
    if (ability === undefined || this.#abilities[ability] === true) this.#send(event, body);
  }

  /** A line in the console about the session itself. */
  say(line: string, category: 'console' | 'important' | 'stderr' = 'console'): void {
    this.emit('output', { category, output: `${line}\n` });
  }
}
