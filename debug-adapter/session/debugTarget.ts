import { Deferred } from '../../common/deferred.ts';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import { Emitter } from '../../common/event.ts';
import { FlickError, type ExitStatus, type RuntimeWelcome } from '../../protocol/index.ts';
import { DebuggeeGone, type CdpThread } from '../cdp.ts';
import type { DebuggeeLink, DebugHost, FoundDebuggee } from '../../common/debuggee.ts';
import { RuntimeConnection } from '../runtimeConnection.ts';
import { Breakpoints } from '../sources/breakpoints.ts';
import { Sources } from '../sources/sources.ts';
import { VariableStore } from '../variables/variableStore.ts';
import type { Configuration } from './configuration.ts';
import type { Editor } from './editor.ts';
import { noExceptions, type ExceptionFilters } from './exceptionRequests.ts';
import { MoveStatus } from './moveStatus.ts';
import { ProgramConsole } from './programConsole.ts';
import { StepTargets } from './stepTargets.ts';
import { judgeStop } from './stops.ts';
import { Threads } from './threads.ts';

export interface DebugTargetOptions {
  readonly host: DebugHost;
  readonly editor: Editor;
  readonly configuration: Configuration;
  readonly found: FoundDebuggee;
  readonly workspaceFolders: readonly string[];
}

/** Calls that led to what runs are remembered across so many `await`s, timers and the like. */
const asyncDepth = 32;

/** A process that is being debugged, from the first contact to the last. */
export class DebugTarget implements Disposable {
  readonly editor: Editor;
  readonly configuration: Configuration;
  readonly found: FoundDebuggee;
  readonly store: VariableStore;
  readonly sources: Sources;
  readonly breakpoints: Breakpoints;
  readonly threads: Threads;
  readonly console: ProgramConsole;
  readonly stepTargets = new StepTargets();
  readonly #host: DebugHost;
  readonly #link: DebuggeeLink;
  readonly #connection: RuntimeConnection;
  readonly #move: MoveStatus;
  readonly #disposables = new DisposableStore();
  readonly #configured = new Deferred<void>();
  readonly #connected = new Deferred<RuntimeWelcome>();
  readonly #exited = new Deferred<ExitStatus>();
  readonly #over = this.#disposables.add(new Emitter<ExitStatus | FlickError>());
  #welcome: RuntimeWelcome | undefined;
  /** Where the runtime was met last. */
  #device: string | undefined;
  #exceptions: ExceptionFilters = noExceptions;
  #entryBreakpoint: string | undefined;
  #hasEnded = false;

  /** The process has ended, or cannot be debugged any more; nothing more will be heard of it. */
  readonly onDidEnd = this.#over.event;

  constructor({ host, editor, configuration, found, workspaceFolders }: DebugTargetOptions) {
    this.editor = editor;
    this.configuration = configuration;
    this.found = found;
    this.#host = host;
    const innerPid = configuration.kind === 'attach' ? configuration.pid : undefined;
    this.#link = this.#disposables.add(host.link(found.id, innerPid));
    this.#connection = this.#disposables.add(
      new RuntimeConnection(this.#link, configuration.keepStoppedFor * 1000),
    );
    this.store = new VariableStore({
      supportsMemory: editor.abilities.supportsMemoryReferences === true,
      supportsPaging: editor.abilities.supportsVariablePaging === true,
    });
    this.sources = this.#disposables.add(
      new Sources({
        place: () => this.#move.place,
        workspaceFolders,
        ...configuration,
        onWarning: (text) => editor.say(text),
      }),
    );
    this.breakpoints = new Breakpoints({ sources: this.sources });
    this.console = this.#disposables.add(
      new ProgramConsole({
        editor,
        sources: this.sources,
        store: this.store,
        showsCalls: configuration.console === 'debugConsole',
      }),
    );
    this.threads = this.#disposables.add(
      new Threads({
        editor,
        connection: this.#connection,
        configured: this.#configured.promise,
        hasEnded: () => this.#hasEnded,
        enable: (thread) => this.#enable(thread),
        judge: async (thread, stop) => {
          const verdict = await judgeStop(thread, stop, {
            sources: this.sources,
            breakpoints: this.breakpoints,
            smartStep: configuration.smartStep,
            entryBreakpoint: () => this.#entryBreakpoint,
          });
          await this.console.flush();
          return verdict;
        },
        release: (stop) => this.store.release(stop),
      }),
    );
    this.#move = this.#disposables.add(
      new MoveStatus({
        editor,
        link: this.#link,
        found,
        startMethod: configuration.kind,
        threads: this.threads,
        onEnded: (exit) => void this.#ended(exit),
        onRefused: (error) => this.#refused(error),
      }),
    );
    this.#subscribe();
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Reaches the process and begins to debug it. It does not run yet when it was launched.
   * @throws {FlickError} why it cannot be debugged
   */
  async connect(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    aborted.catch(() => undefined);
    this.#link.start();
    await Promise.race([this.#connected.promise, aborted]);
    await Promise.race([this.#enable(this.#connection.main), aborted]);
  }

  /** The editor has said all it wanted to say before: the process runs if it waited for that. */
  async configured(answered: Promise<void>): Promise<void> {
    void answered.then(() => this.#configured.resolve());
    if (this.configuration.kind === 'launch' && this.configuration.stopOnEntry) {
      await this.#stopOnEntry(this.configuration.program);
    }
    if (this.#welcome?.waiting === true) await this.#connection.main.send('Flick.start');
  }

  async stopOnExceptions(filters: ExceptionFilters): Promise<void> {
    this.#exceptions = filters;
    await Promise.all(
      this.threads.all().map(({ cdp }) => cdp.send('Flick.setExceptions', filters)),
    );
  }

  /** Asks the process to end. @throws {FlickError} when its device cannot be reached */
  async signal(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (!this.#hasEnded) await this.#host.signal(this.found.id, signal);
  }

  /** How it ended, once it has. */
  get exited(): Promise<ExitStatus> {
    return this.#exited.promise;
  }

  /** Ends the session: the process runs on. */
  async leave(): Promise<void> {
    if (!this.#hasEnded) await this.#connection.main.send('Flick.leave');
  }

  dispose(): void {
    this.#disposables.dispose();
  }

  #subscribe(): void {
    const { editor } = this;
    const add = (subscription: Disposable): void => void this.#disposables.add(subscription);
    add(
      this.#connection.onDidConnect((welcome) => {
        this.#welcome = welcome;
        this.#device = this.#move.place?.device;
        this.#connected.resolve(welcome);
      }),
    );
    add(this.#connection.onDidRefuse((why) => this.#refused(new FlickError('refused', why))));
    add(
      this.#connection.onDidRestart((welcome) => {
        // The portable engine makes a new process, on another device or with another Node.js.
        const before = this.#welcome;
        const isElsewhere = this.#move.place?.device !== this.#device;
        void this.#restarted(before !== undefined && (isElsewhere || isOther(welcome, before)));
      }),
    );
    add(this.sources.onDidLoadSource((loaded) => editor.emit('loadedSource', loaded)));
    add(
      this.breakpoints.onDidChange((breakpoint) =>
        editor.emit('breakpoint', { reason: 'changed', breakpoint }),
      ),
    );
  }

  async #enable(thread: CdpThread): Promise<void> {
    this.sources.attach(thread);
    this.console.attach(thread);
    const switchedOn = this.#switchOn(thread);
    this.breakpoints.attach(thread);
    await switchedOn;
    // A thread of the program waits until its breakpoints are set.
    if (thread.thread !== 0) await thread.send('Runtime.runIfWaitingForDebugger');
  }

  async #switchOn(thread: CdpThread): Promise<void> {
    await Promise.all([
      // Scripts first: what was printed before is told next, with the scripts that printed it.
      thread.send('Debugger.enable'),
      thread.send('Runtime.enable'),
      thread.send('Debugger.setAsyncCallStackDepth', { maxDepth: asyncDepth }),
      thread.send('Flick.setExceptions', this.#exceptions),
    ]);
  }

  /** The process was out of reach for longer than it waits: it ran on, and what was set in it is gone. */
  async #restarted(isRebuilt: boolean): Promise<void> {
    this.threads.restart();
    this.#entryBreakpoint = undefined;
    this.editor.say(
      isRebuilt
        ? `${this.found.name} was rebuilt by the move. Breakpoints are set again.`
        : `${this.found.name} was out of reach for too long and has run on. Breakpoints are set again.`,
      'important',
    );
    try {
      await this.#switchOn(this.#connection.main);
      this.sources.skipIn(this.#connection.main);
      await this.breakpoints.restore();
    } catch (error) {
      if (!(error instanceof DebuggeeGone)) throw error;
    }
  }

  async #stopOnEntry(program: string): Promise<void> {
    const file = program.slice(program.lastIndexOf('/') + 1);
    const { breakpointId } = await this.#connection.main.send('Debugger.setBreakpointByUrl', {
      lineNumber: 0,
      urlRegex: `(^|/)${escapePattern(file)}$`,
    });
    this.#entryBreakpoint = breakpointId;
  }

  async #ended(exit: ExitStatus): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#connected.reject(
      new FlickError('processGone', `${this.found.name} ended before it could be debugged.`),
    );
    this.#connection.end();
    await this.console.flush();
    this.#exited.resolve(exit);
    this.#over.fire(exit);
  }

  #refused(error: FlickError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#connected.reject(error);
    this.#connection.end();
    this.#over.fire(error);
  }
}

function isOther(now: RuntimeWelcome, before: RuntimeWelcome): boolean {
  const key = ({ pid, node, arch, platform }: RuntimeWelcome): string =>
    [pid, node, arch, platform].join();
  return key(now) !== key(before);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
