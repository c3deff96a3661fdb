import type { Protocol } from '../cdp.ts';
import type { DebugThread, ThreadStop } from './debugThread.ts';
import type { FrameTable, StackFrame } from './frames.ts';

/** Function of Node.js that what awaited goes on in; frames that stand still do not tell their file. */
const microtasks = 'processTicksAndRejections';

/** The frames of a stop: those that stand still, then those that led there asynchronously. */
export class StackTrace {
  readonly #thread: DebugThread;
  readonly #table: FrameTable;
  readonly #frames: StackFrame[];
  readonly #awaiting = new Set<StackFrame>();
  /** The asynchronous part that has not been read yet. */
  #rest: Protocol.Runtime.StackTrace | Protocol.Runtime.StackTraceId | undefined;

  constructor(thread: DebugThread, stop: ThreadStop, table: FrameTable) {
    this.#thread = thread;
    this.#table = table;
    this.#frames = stop.paused.callFrames.map((frame) =>
      table.add({ kind: 'live', thread, stop, frame }),
    );
    this.#rest = stop.paused.asyncStackTrace ?? stop.paused.asyncStackTraceId;
    while (this.#rest !== undefined && 'callFrames' in this.#rest) this.#append(this.#rest);
  }

  /** The frames from `start` to before `end`, as far as there are so many. */
  async slice(start: number, end: number, signal: AbortSignal): Promise<readonly StackFrame[]> {
    while (this.#frames.length < end && this.#rest !== undefined) {
      const rest = this.#rest;
      if ('callFrames' in rest) this.#append(rest);
      else {
        const { stackTrace } = await this.#thread.cdp.send(
          'Debugger.getStackTrace',
          { stackTraceId: rest },
          signal,
        );
        this.#rest = stackTrace;
      }
    }
    return this.#frames.slice(start, end);
  }

  /** True for a call of an async function, as far as is known: one that has awaited. */
  isAsync(frame: StackFrame): boolean {
    return this.#awaiting.has(frame);
  }

  /** How many frames there are, as far as is known. */
  get total(): number {
    return this.#frames.length + (this.#rest === undefined ? 0 : 1);
  }

  forget(): void {
    this.#table.remove(this.#frames);
  }

  #append(trace: Protocol.Runtime.StackTrace): void {
    const { description, callFrames } = trace;
    this.#rest = trace.parent ?? trace.parentId;
    if (callFrames.length === 0) return;
    const thread = this.#thread;
    if (description === 'await') this.#markAwaiting();
    if (description !== undefined && description !== '') {
      this.#frames.push(this.#table.add({ kind: 'separator', thread, label: description }));
    }
    for (const call of callFrames) {
      this.#frames.push(this.#table.add({ kind: 'past', thread, call }));
    }
  }

  /** What went on after an `await` is an async function: the outermost one of the program's since the last separator. */
  #markAwaiting(): void {
    for (const each of [...this.#frames].reverse()) {
      if (each.kind === 'separator') return;
      const { functionName } = each.kind === 'live' ? each.frame : each.call;
      if (functionName === microtasks) continue;
      this.#awaiting.add(each);
      return;
    }
  }
}
