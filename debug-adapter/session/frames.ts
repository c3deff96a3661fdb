import { UserError } from '../userError.ts';
import type { LiveFrame } from '../frame.ts';
import type { Protocol } from '../cdp.ts';
import type { DebugThread, ThreadStop } from './debugThread.ts';

interface FrameBase {
  readonly id: number;
  readonly thread: DebugThread;
}
/** A frame of the stack that stands still. */
export interface LiveStackFrame extends FrameBase, LiveFrame {
  readonly kind: 'live';
  readonly stop: ThreadStop;
}
/** A frame that had ended when what it began went on: only its place is known. */
export interface PastStackFrame extends FrameBase {
  readonly kind: 'past';
  readonly call: Protocol.Runtime.CallFrame;
}
/** Says how what is above it came about: `await`, `setTimeout`, … */
export interface SeparatorFrame extends FrameBase {
  readonly kind: 'separator';
  readonly label: string;
}
export type StackFrame = LiveStackFrame | PastStackFrame | SeparatorFrame;

type NewFrame =
  Omit<LiveStackFrame, 'id'> | Omit<PastStackFrame, 'id'> | Omit<SeparatorFrame, 'id'>;

/** The frames that the editor may speak of, by the ids it was given. */
export class FrameTable {
  readonly #frames = new Map<number, StackFrame>();
  #lastId = 0;

  add(frame: NewFrame): StackFrame {
    this.#lastId += 1;
    const added: StackFrame = { ...frame, id: this.#lastId };
    this.#frames.set(this.#lastId, added);
    return added;
  }

  /** @throws {UserError} when there is no such frame (any more) */
  get(id: number): StackFrame {
    const frame = this.#frames.get(id);
    if (frame === undefined) {
      throw new UserError('This frame is not there any more: the program has run on since.');
    }
    return frame;
  }

  /** @throws {UserError} when it is no frame that can be looked into */
  live(id: number): LiveStackFrame {
    const frame = this.get(id);
    if (frame.kind === 'live') return frame;
    throw new UserError('This frame has ended: only its place is known, its variables are gone.');
  }

  remove(frames: readonly StackFrame[]): void {
    for (const { id } of frames) this.#frames.delete(id);
  }
}
