import type { Disposable } from '../common/disposable.ts';
import type { Passage } from './passage.ts';

/** The newest connection of the agents of each handoff that was brought about once the process ran on the target. */
export class Passages implements Disposable {
  readonly #passages = new Map<string, Passage>();

  keep(handoff: string, passage: Passage): void {
    this.#passages.get(handoff)?.dispose();
    this.#passages.set(handoff, passage);
  }

  dispose(): void {
    for (const each of this.#passages.values()) each.dispose();
    this.#passages.clear();
  }
}
