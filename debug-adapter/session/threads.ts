import type { DebugProtocol } from '@vscode/debugprotocol';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import { DebuggeeGone, type CdpThread } from '../cdp.ts';
import type { FlickEvents } from '../../protocol/index.ts';
import type { RuntimeConnection } from '../runtimeConnection.ts';
import { UserError } from '../userError.ts';
import { DebugThread, ThreadStop, type Motion } from './debugThread.ts';
import type { Editor } from './editor.ts';
import { FrameTable } from './frames.ts';
import type { Verdict } from './stops.ts';

export interface ThreadsOptions {
  readonly editor: Editor;
  readonly connection: RuntimeConnection;
  /** Settles when the editor has said all it wants to say before the program runs: it hears of no stop before. */
  readonly configured: Promise<void>;
  readonly hasEnded: () => boolean;
  /** Begins to debug a thread. */
  readonly enable: (thread: CdpThread) => Promise<void>;
  /** What to make of a stop. */
  readonly judge: (thread: DebugThread, stop: ThreadStop) => Promise<Verdict>;
  /** A stop is over: what was handed out for it is worth nothing now. */
  readonly release: (stop: ThreadStop) => void;
}

const requestOf = {
  continue: 'Debugger.resume',
  next: 'Debugger.stepOver',
  stepIn: 'Debugger.stepInto',
  stepOut: 'Debugger.stepOut',
} as const;

/** The threads of the program: who runs, who stands where. */
export class Threads implements Disposable {
  readonly frames = new FrameTable();
  readonly #options: ThreadsOptions;
  readonly #store = new DisposableStore();
  readonly #threads = new Map<number, { thread: DebugThread; subscriptions: DisposableStore }>();
  /** Words behind every thread's name while the process cannot be reached. */
  #remark: string | undefined;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    const { main } = options.connection;
    this.#store.add(
      main.on('Flick.threadStarted')(({ thread, title }) => {
        const added = this.#add(options.connection.thread(thread), title || `worker ${thread}`);
        options.editor.emit('thread', { reason: 'started', threadId: added.id });
        void options.enable(added.cdp).catch(() => undefined);
      }),
    );
    this.#store.add(main.on('Flick.threadEnded')(({ thread }) => this.#drop(thread)));
    this.#add(main, 'main');
  }

  list(): DebugProtocol.Thread[] {
    const remark = this.#remark === undefined ? '' : ` · ${this.#remark}`;
    return [...this.#threads.values()].map(({ thread }) => ({
      id: thread.id,
      name: `${thread.title}${remark}`,
    }));
  }

  get main(): DebugThread {
    return this.get(1);
  }

  /** @throws {UserError} when there is no such thread */
  get(id: number): DebugThread {
    const found = [...this.#threads.values()].find(({ thread }) => thread.id === id);
    if (found === undefined) throw new UserError(`There is no thread ${id}; it may have ended.`);
    return found.thread;
  }

  all(): readonly DebugThread[] {
    return [...this.#threads.values()].map(({ thread }) => thread);
  }

  /** Says behind every thread's name why it does not answer; undefined ends it. */
  remark(text: string | undefined): void {
    if (this.#remark === text) return;
    this.#remark = text;
    this.#options.editor.emit('invalidated', { areas: ['threads'] });
  }

  /**
   * Lets a stopped thread run. Asked again before it was carried out (the process is on its way, say), it happens once.
   * @param answered settles when the editor knows; it hears of the next stop only then
   */
  async run(
    thread: DebugThread,
    motion: keyof typeof requestOf,
    answered: Promise<void>,
  ): Promise<void> {
    await this.leave(thread, motion, answered, () => thread.cdp.send(requestOf[motion]));
  }

  /** Like {@link run}, by a request of the caller's. */
  async leave(
    thread: DebugThread,
    motion: Motion,
    answered: Promise<void>,
    send: () => Promise<unknown>,
  ): Promise<void> {
    const stop = thread.stopped;
    if (thread.leaving !== undefined) {
      if (thread.leaving.motion === motion) return await thread.leaving.done;
      throw new UserError(
        `The thread “${thread.title}” has still to do what it was asked to do before.`,
      );
    }
    const hadEnded = this.#options.hasEnded();
    const done = send()
      .catch((error: unknown) => {
        // Let run, it may end before it can say so.
        if (hadEnded || !(error instanceof DebuggeeGone)) throw error;
      })
      .then(() => {
        if (thread.stop === stop) this.#over(thread);
      });
    const before = { motion: thread.motion, told: thread.told };
    thread.leaving = { motion, done };
    thread.motion = motion;
    thread.ownSteps = 0;
    thread.stepTarget = undefined;
    thread.pauseAsked = false;
    thread.told = answered;
    try {
      await done;
    } catch (error) {
      thread.motion = before.motion;
      thread.told = before.told;
      throw error;
    } finally {
      thread.leaving = undefined;
    }
  }

  /** Lets a stopped thread run without the editor having asked. */
  letGo(thread: DebugThread): void {
    const isKnown = thread.stop?.reason !== undefined;
    this.run(thread, 'continue', Promise.resolve()).then(
      () => isKnown && this.#continued(thread),
      () => undefined,
    );
  }

  /** The session in the process began anew: nobody stands any more, workers announce themselves again. */
  restart(): void {
    for (const thread of this.all()) {
      const known = thread.stop?.reason !== undefined;
      this.#over(thread);
      thread.motion = 'continue';
      thread.leaving = undefined;
      if (known) this.#continued(thread);
      if (thread.cdp.thread !== 0) this.#drop(thread.cdp.thread);
    }
  }

  dispose(): void {
    this.#store.dispose();
    for (const { subscriptions } of this.#threads.values()) subscriptions.dispose();
  }

  #add(cdp: CdpThread, title: string): DebugThread {
    const thread = new DebugThread(cdp, title);
    thread.told = this.#options.configured;
    const subscriptions = new DisposableStore();
    subscriptions.add(cdp.on('Flick.paused')((pushed) => void this.#paused(thread, pushed)));
    subscriptions.add(cdp.on('Debugger.resumed')(() => this.#resumed(thread)));
    this.#threads.set(cdp.thread, { thread, subscriptions });
    return thread;
  }

  #drop(number: number): void {
    const found = this.#threads.get(number);
    if (found === undefined) return;
    this.#threads.delete(number);
    found.subscriptions.dispose();
    this.#over(found.thread);
    this.#options.connection.dropThread(number);
    this.#options.editor.emit('thread', { reason: 'exited', threadId: found.thread.id });
  }

  async #paused(thread: DebugThread, pushed: FlickEvents['Flick.paused']): Promise<void> {
    this.#over(thread);
    const stop = new ThreadStop(thread, this.frames, pushed);
    thread.stop = stop;
    const { judge, editor } = this.#options;
    // A stop that cannot be judged is shown: the person can see for themselves.
    const verdict = await judge(thread, stop).catch((): Verdict => ({
      kind: 'stop',
      reason: { reason: 'pause', description: 'Paused' },
    }));
    await thread.told;
    if (thread.stop !== stop) return;
    if (verdict.kind === 'goOn') {
      this.#over(thread);
      await thread.cdp.send(requestOf[verdict.motion]).catch(() => undefined);
      return;
    }
    stop.reason = verdict.reason;
    thread.pauseAsked = false;
    editor.emit('stopped', {
      ...verdict.reason,
      threadId: thread.id,
      allThreadsStopped: false,
    });
  }

  /** It runs: because we asked, or because somebody else did. */
  #resumed(thread: DebugThread): void {
    const known = thread.stop?.reason !== undefined && thread.leaving === undefined;
    this.#over(thread);
    if (known) this.#continued(thread);
  }

  #continued(thread: DebugThread): void {
    this.#options.editor.emit('continued', { threadId: thread.id, allThreadsContinued: false });
  }

  #over(thread: DebugThread): void {
    const { stop } = thread;
    if (stop === undefined) return;
    thread.stop = undefined;
    stop.stack.forget();
    this.#options.release(stop);
  }
}
