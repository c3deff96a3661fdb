import type { ExitStatus, FlickError } from '../../protocol/index.ts';
import type {
  DebuggeeLink,
  DebuggeePlace,
  FoundDebuggee,
  LinkState,
} from '../../common/debuggee.ts';
import type { Disposable } from '../../common/disposable.ts';
import type { Editor } from './editor.ts';
import type { Threads } from './threads.ts';

export interface MoveStatusOptions {
  readonly editor: Editor;
  readonly link: DebuggeeLink;
  readonly found: FoundDebuggee;
  readonly startMethod: 'launch' | 'attach';
  readonly threads: Threads;
  readonly onEnded: (exit: ExitStatus) => void;
  readonly onRefused: (error: FlickError) => void;
}

/** Says where the process is: in the names of its threads while it cannot answer, in the console when it has arrived. */
export class MoveStatus implements Disposable {
  readonly #options: MoveStatusOptions;
  readonly #subscription: Disposable;
  #place: DebuggeePlace | undefined;
  /** It was said that the process cannot be reached. */
  #saidWaiting = false;

  constructor(options: MoveStatusOptions) {
    this.#options = options;
    this.#subscription = options.link.onDidChangeState((state) => this.#take(state));
  }

  /** Where the process is or was last. */
  get place(): DebuggeePlace | undefined {
    return this.#place;
  }

  dispose(): void {
    this.#subscription.dispose();
  }

  #take(state: LinkState): void {
    const { threads, onEnded, onRefused } = this.#options;
    switch (state.kind) {
      case 'attached':
        threads.remark(undefined);
        this.#arrived(state.place);
        return;
      case 'moving':
        threads.remark(state.to === undefined ? 'moving…' : `moving to ${state.to}…`);
        return;
      case 'waiting':
        this.#waiting(state.why);
        return;
      case 'ended':
        threads.remark(undefined);
        onEnded(state.exit);
        return;
      case 'refused':
        threads.remark(undefined);
        onRefused(state.error);
    }
  }

  #arrived(place: DebuggeePlace): void {
    const { editor, found, startMethod } = this.#options;
    const before = this.#place;
    this.#place = place;
    const { device, debuggee, isLocal } = place;
    const hasMoved = before?.device !== device || before.debuggee.pid !== debuggee.pid;
    if (hasMoved) {
      editor.emit('process', {
        name: found.name,
        systemProcessId: debuggee.pid,
        isLocalProcess: isLocal,
        startMethod,
      });
    }
    if (before !== undefined && hasMoved) {
      editor.say(`${found.name} now runs on ${device} (process ${debuggee.pid}).`);
    } else if (this.#saidWaiting) {
      editor.say(`${found.name} can be reached on ${device} again.`);
    }
    this.#saidWaiting = false;
  }

  #waiting(why: string): void {
    const { editor, threads } = this.#options;
    // Before the first contact, whoever attaches is told by the progress and the outcome.
    if (this.#place === undefined) return;
    const text = `waiting for ${this.#place.device}: ${why}`;
    threads.remark(text);
    editor.say(`${text.charAt(0).toUpperCase()}${text.slice(1)}`);
    this.#saidWaiting = true;
  }
}
