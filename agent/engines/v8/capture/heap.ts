import type { Inspection } from './inspection.ts';
import type { Natives } from './natives.ts';
import { Snapshot } from './snapshot.ts';

/** Where V8 keeps the fields of a promise reaction; they have no names, and V8 versions differ. */
interface ReactionSlots {
  readonly fulfilled: number;
  readonly rejected: number;
  readonly derived: number;
  readonly next: number | undefined;
}

/** One snapshot of the heap, and which of its nodes is which live object. */
export class Heap {
  readonly snapshot: Snapshot;
  readonly #inspection: Inspection;
  readonly #objects: unknown[];
  readonly #nodeOf = new Map<unknown, number>();
  readonly #indexOfNode: Int32Array;
  readonly #found = new Map<number, unknown>();
  /** The node that stands for a variable that is not initialized. */
  readonly hole: number;
  /** The node that stands for undefined. */
  readonly none: number;
  readonly #withNext: ReactionSlots;
  readonly #last: ReactionSlots;
  readonly #settlerPromise: string;

  constructor(inspection: Inspection, natives: Natives) {
    this.#inspection = inspection;
    const specimen = specimens();
    // Everything with a name in JavaScript, in one array: the snapshot shows its elements in order.
    this.#objects = inspection.heirs(Object.prototype);
    const all = this.#objects;
    const id = inspection.heapId(all);
    this.snapshot = Snapshot.take();
    const array = this.snapshot.withId(id);
    this.#indexOfNode = new Int32Array(this.snapshot.count);
    for (const { type, name, to } of this.snapshot.edges(array)) {
      if (type !== 'element' || typeof name !== 'number') continue;
      this.#indexOfNode[to] = name + 1;
      const object = all[name];
      this.#nodeOf.set(object, to);
    }
    const probe = this.snapshot.follow(this.nodeOf(natives.probe), 'context');
    this.none = this.snapshot.follow(probe, 'none');
    this.hole = this.snapshot.follow(probe, 'hole');
    if (this.hole === this.none) this.hole = -1;
    const chain = this.#reactions(specimen.promise);
    const [first = -1, second = -1] = chain;
    this.#withNext = this.#slots(first, specimen, second);
    this.#last = this.#slots(second, specimen, undefined);
    const promise = this.nodeOf(specimen.promise);
    const context = this.snapshot.follow(this.nodeOf(specimen.resolve), 'context');
    const lead = this.snapshot.edges(context).find(({ to }) => to === promise);
    if (lead === undefined) throw new Error('the functions that settle promises are not known');
    this.#settlerPromise = `${lead.type} ${lead.name}`;
  }

  /** The node of a function, promise or other object that inherits from Object.prototype; -1 for others. */
  nodeOf(object: unknown): number {
    const known = this.#nodeOf.get(object);
    if (known !== undefined) return known;
    const node =
      object !== null && (typeof object === 'object' || typeof object === 'function')
        ? this.snapshot.withId(this.#inspection.heapId(object))
        : -1;
    this.#nodeOf.set(object, node);
    return node;
  }

  /** The live object of a node, hidden ones as well. */
  liveOf(node: number): unknown {
    const index = this.#indexOfNode[node] ?? 0;
    if (index > 0) return this.#objects[index - 1];
    if (this.#found.has(node)) return this.#found.get(node);
    // What is no object in JavaScript has no live value that could be asked for.
    const type = this.snapshot.type(node);
    if (type !== 'object' && type !== 'closure' && type !== 'regexp') return undefined;
    const live = this.#inspection.byHeapId(this.snapshot.id(node));
    this.#found.set(node, live);
    this.#nodeOf.set(live, node);
    return live;
  }

  /** The name of the builtin that a native closure runs. */
  builtinName(node: number): string {
    const code = this.snapshot.follow(node, 'code');
    return code < 0 ? '' : this.snapshot.name(code).replace(/^\(| builtin .*$/g, '');
  }

  /** The script of a function: its node and its URL; undefined for native ones. */
  scriptOf(node: number): { readonly node: number; readonly url: string } | undefined {
    const shared = this.snapshot.follow(node, 'shared');
    if (shared < 0) return undefined;
    let script = this.snapshot.follow(shared, 'script');
    if (script < 0) script = this.snapshot.follow(shared, 'script_or_debug_info');
    return script < 0 ? undefined : { node: script, url: this.snapshot.name(script) };
  }

  /** Nodes of the reactions of a pending promise, in the order in which they were added. */
  reactionsOf(promise: object): number[] {
    return this.#reactions(promise).reverse();
  }

  reaction(node: number): { fulfilled: number; rejected: number; derived: number } {
    const slots = this.#next(node) < 0 ? this.#last : this.#withNext;
    return {
      fulfilled: this.#hidden(node, slots.fulfilled),
      rejected: this.#hidden(node, slots.rejected),
      derived: this.#hidden(node, slots.derived),
    };
  }

  /** The promise that a resolving function settles, and what it shares with its twin. */
  settler(node: number): { promise: number; pair: number } {
    const pair = this.snapshot.follow(node, 'context');
    const lead = this.snapshot
      .edges(pair)
      .find(({ type, name }) => `${type} ${name}` === this.#settlerPromise);
    return { promise: lead?.to ?? -1, pair };
  }

  #hidden(node: number, slot: number): number {
    return (
      this.snapshot.edges(node).find(({ type, name }) => type === 'hidden' && name === slot)?.to ??
      -1
    );
  }

  #next(node: number): number {
    for (const { type, to } of this.snapshot.edges(node)) {
      if (type === 'hidden' && this.snapshot.name(to) === 'system / PromiseReaction') return to;
    }
    return -1;
  }

  /** The newest first, as V8 keeps them. */
  #reactions(promise: object): number[] {
    const found: number[] = [];
    let node = this.snapshot.follow(this.nodeOf(promise), 'reactions_or_result');
    while (node >= 0 && this.snapshot.name(node) === 'system / PromiseReaction') {
      found.push(node);
      node = this.#next(node);
    }
    return found;
  }

  #slots(node: number, specimen: Specimen, next: number | undefined): ReactionSlots {
    const slot = (to: number): number => {
      const edge = this.snapshot
        .edges(node)
        .find((each) => each.type === 'hidden' && each.to === to);
      if (typeof edge?.name !== 'number')
        throw new Error('the reactions of promises are not known');
      return edge.name;
    };
    const derived = next === undefined ? specimen.firstDerived : specimen.secondDerived;
    return {
      fulfilled: slot(this.nodeOf(specimen.fulfilled)),
      rejected: slot(this.nodeOf(specimen.rejected)),
      derived: slot(this.nodeOf(derived)),
      next: next === undefined ? undefined : slot(next),
    };
  }
}

type Specimen = ReturnType<typeof specimens>;

/** Objects whose place in the snapshot tells where V8 keeps what in others. */
function specimens() {
  let resolve: unknown;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  const fulfilled = (): void => {};
  const rejected = (): void => {};
  const firstDerived = promise.then(fulfilled, rejected);
  const secondDerived = promise.then(fulfilled, rejected);
  return { promise, fulfilled, rejected, firstDerived, secondDerived, resolve };
}
