import { Deferred } from '../../common/deferred.ts';
import type { Frame, FrameStream } from '../../common/frames.ts';

/**
 * Reads a handoff stream in one place, from when batches of memory and their answers may come between the other messages:
 * what belongs to the memory goes to its handler at once, in order, the rest waits for whoever expects it.
 */
export class Inbox {
  readonly #frames: FrameStream;
  readonly #messages: unknown[] = [];
  #arrived = new Deferred<void>();
  #failure: Error | undefined;

  /** @param handle returns false for a message that is not the memory's */
  constructor(frames: FrameStream, handle: (frame: Frame) => Promise<boolean>) {
    this.#frames = frames;
    void this.#read(handle);
  }

  /** Rejects with what ended the stream, or the handler. */
  readonly ended = new Deferred<never>();

  async receiveJson(): Promise<unknown> {
    for (;;) {
      if (this.#messages.length > 0) return this.#messages.shift();
      if (this.#failure !== undefined) throw this.#failure;
      await this.#arrived.promise;
    }
  }

  async #read(handle: (frame: Frame) => Promise<boolean>): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#frames.receive();
        if (await handle(frame)) continue;
        if (frame.kind !== 'json') throw new Error('Data arrived where a message was expected.');
        this.#messages.push(frame.value);
        this.#wake();
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.ended.reject(this.#failure);
      this.#wake();
    }
  }

  #wake(): void {
    const before = this.#arrived;
    this.#arrived = new Deferred();
    before.resolve();
  }
}
