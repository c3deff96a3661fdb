import { toDisposable, type Disposable } from './disposable.ts';

/** Subscribes a listener; disposing the result unsubscribes it. */
export type Event<T> = (listener: (value: T) => void) => Disposable;

/** The announcing side of an {@link Event}. Listeners are called in the order in which they subscribed. */
export class Emitter<T> implements Disposable {
  readonly #listeners = new Set<{ readonly call: (value: T) => void }>();

  readonly event: Event<T> = (listener) => {
    const entry = { call: listener };
    this.#listeners.add(entry);
    return toDisposable(() => this.#listeners.delete(entry));
  };

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  fire(value: T): void {
    for (const entry of [...this.#listeners]) entry.call(value);
  }

  dispose(): void {
    this.#listeners.clear();
  }
}
