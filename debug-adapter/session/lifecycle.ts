import * as v from 'valibot';
import { setTimeout as delay } from 'node:timers/promises';
import { constants } from 'node:os';
import { FlickError, type ExitStatus } from '../../protocol/index.ts';
import type { Disposable } from '../../common/disposable.ts';
import type { DebugHost, FoundDebuggee } from '../../common/debuggee.ts';
import { UserError } from '../userError.ts';
import { attachConfiguration, launchConfiguration, type Configuration } from './configuration.ts';
import { DebugTarget } from './debugTarget.ts';
import type { Editor } from './editor.ts';
import { sentenceOf } from './failures.ts';
import { withProgress } from './progress.ts';
import { takes, type RequestContext, type RequestTable } from './requests.ts';

export interface LifecycleOptions {
  readonly host: DebugHost;
  readonly editor: Editor;
  /** Folders that the editor has open; the configuration may name others. */
  readonly workspaceFolders: readonly string[];
  /** The editor has ended the session. */
  readonly onDone: () => void;
}

/** How long a process that was asked to end, or a link that is down, is waited for, in ms. */
const patience = 3_000;

const disconnectArguments = v.looseObject({
  terminateDebuggee: v.exactOptional(v.boolean()),
  suspendDebuggee: v.optional(v.boolean(), false),
});
const restartArguments = v.looseObject({ arguments: v.exactOptional(v.looseObject({})) });

/** Begins and ends debugging. */
export class Lifecycle implements Disposable {
  readonly #options: LifecycleOptions;
  readonly #dispose = new AbortController();
  #target: DebugTarget | undefined;
  /** Settles when the process can be talked to; requests that come early wait for it. */
  #beginning: Promise<void> | undefined;
  #termAsked = false;
  /** Its end is part of what was asked for: nobody is told. */
  #replaced = new WeakSet<DebugTarget>();

  readonly requests: RequestTable = {
    launch: takes(launchConfiguration, (args, context) =>
      this.#begin({ kind: 'launch', ...args }, context),
    ),
    attach: takes(attachConfiguration, (args, context) =>
      this.#begin({ kind: 'attach', ...args }, context),
    ),
    configurationDone: takes(v.looseObject({}), async (_, { answered }) => {
      await this.target.configured(answered);
    }),
    terminate: takes(v.looseObject({}), () => this.#terminate()),
    disconnect: takes(disconnectArguments, (args, { answered }) =>
      this.#disconnect(args, answered),
    ),
    restart: takes(restartArguments, (args, context) => this.#restart(args.arguments, context)),
  };

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  /** @throws {UserError} before anything is debugged */
  get target(): DebugTarget {
    if (this.#target !== undefined) return this.#target;
    throw new UserError('Nothing is being debugged.', 'Launch a program or attach to a process.');
  }

  /** Nothing more will be heard of the process. */
  get hasEnded(): boolean {
    return this.#target?.hasEnded ?? true;
  }

  /** Lets requests that come while the process is being reached wait for that. */
  async whenBegun(): Promise<void> {
    await this.#beginning?.catch(() => undefined);
  }

  dispose(): void {
    this.#dispose.abort(new UserError('The debug session has ended.'));
    this.#target?.dispose();
    this.#target = undefined;
  }

  async #begin(configuration: Configuration, context: RequestContext): Promise<void> {
    if (this.#beginning !== undefined)
      throw new UserError('This session debugs something already.');
    this.#beginning = this.#reach(configuration, context);
    try {
      await this.#beginning;
    } catch (error) {
      this.#beginning = undefined;
      throw error;
    }
  }

  async #reach(configuration: Configuration, { signal, answered }: RequestContext): Promise<void> {
    const { host, editor } = this.#options;
    const stop = AbortSignal.any([signal, this.#dispose.signal]);
    const what = configuration.kind === 'launch' ? configuration.program : configuration.process;
    await withProgress(editor, `Debugging ${what}`, async () => {
      const found = await this.#find(host, configuration);
      const target = this.#make(configuration, found);
      try {
        await target.connect(stop);
      } catch (error) {
        this.#target = undefined;
        this.#replaced.add(target);
        if (configuration.kind === 'launch') await target.signal('SIGKILL').catch(() => undefined);
        target.dispose();
        throw error;
      }
    });
    void answered.then(() => editor.emit('initialized', undefined));
  }

  async #find(host: DebugHost, configuration: Configuration): Promise<FoundDebuggee> {
    if (configuration.kind === 'attach') {
      return await host.find(configuration.process, configuration.device);
    }
    const { runtimeExecutable, runtimeArgs, program, args } = configuration;
    return await host.launch({
      device: configuration.device,
      command: [runtimeExecutable, ...runtimeArgs, program, ...args],
      cwd: configuration.cwd,
      env: configuration.env,
      name: configuration.processName,
      wait: true,
    });
  }

  #make(configuration: Configuration, found: FoundDebuggee): DebugTarget {
    const { host, editor } = this.#options;
    const workspaceFolders = configuration.workspaceFolders ?? this.#options.workspaceFolders;
    const target = new DebugTarget({ host, editor, configuration, found, workspaceFolders });
    this.#target = target;
    this.#termAsked = false;
    target.onDidEnd((end) => {
      if (!this.#replaced.has(target)) this.#ended(target, end);
    });
    return target;
  }

  #ended(target: DebugTarget, end: ExitStatus | FlickError): void {
    const { editor } = this.#options;
    if (end instanceof FlickError) {
      editor.say(sentenceOf(end, 'debug'), 'stderr');
    } else {
      if (end.signal !== null) editor.say(`${target.found.name} was ended by ${end.signal}.`);
      editor.emit('exited', { exitCode: exitCodeOf(end) });
    }
    editor.emit('terminated', {});
  }

  /** The first time it is asked to end and may tidy up; the second time it is ended. */
  async #terminate(): Promise<void> {
    const { target } = this;
    const isSecond = this.#termAsked;
    this.#termAsked = true;
    await target.signal(isSecond ? 'SIGKILL' : 'SIGTERM');
    if (isSecond || target.hasEnded) return;
    // One that stands still could not run its handlers.
    for (const thread of target.threads.all()) {
      if (thread.stop?.reason !== undefined) target.threads.letGo(thread);
    }
  }

  async #disconnect(
    args: v.InferOutput<typeof disconnectArguments>,
    answered: Promise<void>,
  ): Promise<void> {
    void answered.then(() => this.#options.onDone());
    const target = this.#target;
    if (target === undefined || target.hasEnded) return;
    this.#replaced.add(target);
    const { terminateDebuggee = target.configuration.kind === 'launch', suspendDebuggee } = args;
    if (terminateDebuggee) await this.#end(target);
    else if (!suspendDebuggee) await this.#leave(target);
    else if (target.threads.main.stop === undefined) {
      await within(target.threads.main.cdp.send('Debugger.pause'));
    }
  }

  /** A link that is down keeps nobody waiting: the process runs on by itself when its time is over. */
  async #leave(target: DebugTarget): Promise<void> {
    await within(target.leave().catch(() => undefined));
  }

  async #end(target: DebugTarget): Promise<void> {
    if (!this.#termAsked) {
      await target.signal('SIGTERM');
      await this.#leave(target);
      if (await within(target.exited)) return;
    }
    await target.signal('SIGKILL');
    await within(target.exited);
  }

  async #restart(given: object | undefined, context: RequestContext): Promise<void> {
    const { target } = this;
    const before = target.configuration;
    this.#replaced.add(target);
    if (!target.hasEnded) {
      if (before.kind === 'launch') await this.#end(target);
      else await this.#leave(target);
    }
    for (const thread of target.threads.all()) {
      this.#options.editor.emit('thread', { reason: 'exited', threadId: thread.id });
    }
    target.dispose();
    this.#target = undefined;
    this.#beginning = undefined;
    await this.#begin(given === undefined ? before : reread(before.kind, given), context);
  }
}

function reread(kind: Configuration['kind'], given: object): Configuration {
  return kind === 'launch'
    ? { kind, ...v.parse(launchConfiguration, given) }
    : { kind, ...v.parse(attachConfiguration, given) };
}

/** @returns false when it took too long */
async function within(promise: Promise<unknown>): Promise<boolean> {
  const timeout = new AbortController();
  try {
    return await Promise.race([
      promise.then(() => true),
      delay(patience, false, { signal: timeout.signal }).catch(() => false),
    ]);
  } finally {
    timeout.abort();
  }
}

/** A process that a signal ended counts as shells count it: 128 and the number of the signal. */
function exitCodeOf({ exitCode, signal }: ExitStatus): number {
  if (exitCode !== null) return exitCode;
  return 128 + (signal === null ? 0 : (constants.signals[signal as NodeJS.Signals] ?? 0));
}
