/** Something that must be released exactly once. */
export interface Disposable {
  dispose(): void;
}

/** Wraps a function as a disposable; later calls of `dispose` do nothing. */
export function toDisposable(release: () => void): Disposable {
  let released = false;
  return {
    dispose() {
      if (released) return;
      released = true;
      release();
    },
  };
}

/**
 * Owns disposables and releases them together, last added first. Adding to a store that is already disposed disposes
 * the newcomer at once, so that a resource made during shutdown cannot leak.
 */
export class DisposableStore implements Disposable {
  readonly #items = new Set<Disposable>();
  #disposed = false;

  get isDisposed(): boolean {
    return this.#disposed;
  }

  add<T extends Disposable>(item: T): T {
    if (this.#disposed) item.dispose();
    else this.#items.add(item);
    return item;
  }

  /** Releases one item ahead of the others. */
  release(item: Disposable): void {
    this.#items.delete(item);
    item.dispose();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const items = [...this.#items].reverse();
    this.#items.clear();
    for (const item of items) item.dispose();
  }
}
