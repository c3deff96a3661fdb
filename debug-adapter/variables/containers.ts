import type { CdpThread, Protocol } from '../cdp.ts';
import type { LiveFrame, Stop } from '../frame.ts';

type RemoteObject = Protocol.Runtime.RemoteObject;

/** Something that has children. */
export type Container =
  | { readonly kind: 'scope'; readonly frame: LiveFrame; readonly index: number }
  | ObjectContainer
  /** The entries of a map or set, `[[Entries]]`; `owner` is that map or set. */
  | (Omit<ObjectContainer, 'kind'> & { readonly kind: 'entries'; readonly owner: string })
  /** A range of a long list, for editors that cannot ask for a part of one. */
  | {
      readonly kind: 'range';
      readonly of: number;
      readonly start: number;
      readonly count: number;
    }
  /** A getter that is called when somebody asks. */
  | {
      readonly kind: 'getter';
      readonly thread: CdpThread;
      readonly owner: string;
      readonly getter: string;
      readonly name: string;
      readonly evaluateName: string | undefined;
      readonly frame: LiveFrame | undefined;
    }
  /** Several values that were printed together. */
  | {
      readonly kind: 'group';
      readonly thread: CdpThread;
      readonly objects: readonly RemoteObject[];
    };

export interface ObjectContainer {
  readonly kind: 'object';
  readonly thread: CdpThread;
  readonly object: RemoteObject;
  readonly objectId: string;
  /** An expression that gives it, on the frame or anywhere. */
  readonly evaluateName: string | undefined;
  /** Where it was seen: what is typed as a new value is evaluated there. */
  readonly frame: LiveFrame | undefined;
}

/** The numbers by which an editor asks for children. One that belongs to a stop goes with it; others stay. */
export class Containers {
  readonly #containers = new Map<number, Container>();
  readonly #scopes = new Map<string, number>();
  #last = 0;

  /** @throws {Error} never; an unknown number gives undefined */
  get(reference: number): Container | undefined {
    return this.#containers.get(reference);
  }

  add(container: Container): number {
    this.#last += 1;
    this.#containers.set(this.#last, container);
    return this.#last;
  }

  /** The same scope has the same number however often it is asked for. */
  scope(frame: LiveFrame, index: number): number {
    const key = `${frame.stop.thread.thread}:${frame.frame.callFrameId}:${index}`;
    const known = this.#scopes.get(key);
    if (known !== undefined && this.#containers.has(known)) return known;
    const reference = this.add({ kind: 'scope', frame, index });
    this.#scopes.set(key, reference);
    return reference;
  }

  release(stop: Stop): void {
    for (const [reference, container] of this.#containers) {
      const frame = 'frame' in container ? container.frame : undefined;
      if (frame?.stop === stop) this.#containers.delete(reference);
    }
    for (const [key, reference] of this.#scopes) {
      if (!this.#containers.has(reference)) this.#scopes.delete(key);
    }
  }
}
