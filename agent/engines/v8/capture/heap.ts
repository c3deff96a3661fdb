import type { Inspection, LiveScope } from './inspection.ts';
import type { Natives } from './natives.ts';
import type { OwnMemory } from './ownMemory.ts';
import { Snapshot } from './snapshot.ts';

/** What V8 calls the one kind of objects that it counts as hidden. */
const fromSyncName = 'Async-from-Sync Iterator';
const proxyName = 'system / JSProxy';

/** Where V8 keeps the fields of a promise reaction; they have no names, and V8 versions differ. */
interface ReactionSlots {
  readonly fulfilled: number;
  readonly rejected: number;
  readonly derived: number;
  readonly next: number | undefined;
}

/** What a snapshot told. */
interface Taken {
  readonly snapshot: Snapshot;
  readonly objects: unknown[];
  readonly nodeOf: Map<unknown, number>;
  readonly indexOfNode: Int32Array;
  /** The node that stands for a variable that is not initialized. */
  readonly hole: number;
  /** The node that stands for undefined. */
  readonly none: number;
}

interface PromiseSlots {
  readonly withNext: ReactionSlots;
  readonly last: ReactionSlots;
  readonly settlerPromise: string;
}

/**
 * Something can be told by a snapshot only, and none was taken. Made once: with the stack of an error V8 keeps the receivers
 * of its calls, and all that has been found by then would be in the snapshot.
 */
export const snapshotNeeded = new Error('a snapshot is needed');

/**
 * What V8 knows of the heap: by the memory itself, or by a snapshot and which of its nodes is which live object. A
 * snapshot takes by far longest of all, and programs with nothing suspended can do without.
 */
export class Heap {
  /** Tells of contexts where there is no snapshot. */
  readonly memory: OwnMemory | undefined;
  readonly #inspection: Inspection;
  readonly #natives: Natives;
  readonly #found = new Map<number, unknown>();
  readonly #taken: Taken | undefined;
  readonly #slots: PromiseSlots | undefined;

  /** @param memory where it is to do without a snapshot */
  constructor(inspection: Inspection, natives: Natives, memory: OwnMemory | undefined) {
    this.#inspection = inspection;
    this.#natives = natives;
    this.memory = memory;
    if (memory !== undefined) return;
    const specimen = specimens();
    this.#taken = take(inspection, natives);
    this.#slots = this.#calibrate(specimen);
  }

  get snapshot(): Snapshot {
    return this.#now.snapshot;
  }

  get hole(): number {
    return this.#now.hole;
  }

  get none(): number {
    return this.#now.none;
  }

  /** The script of a function; undefined for native ones. */
  script(f: object): { readonly id: number; readonly url: string } | undefined {
    const id = this.#natives.scriptId(f);
    return id < 0 ? undefined : { id, url: this.#inspection.nameOf(id) };
  }

  /** What the inspector shows of the variables that a function sees. */
  scopesOf(f: object): readonly LiveScope[] {
    return this.#inspection.internals(f).scopes;
  }

  /** What tells the innermost context of a function from others; comparable with others of this heap. */
  contextOf(f: object): number {
    return this.memory?.contextOf(f) ?? this.snapshot.follow(this.nodeOf(f), 'context');
  }

  /** The same for many. */
  contextsOf(functions: readonly object[]): number[] {
    return this.memory?.contextsOf(functions) ?? functions.map((f) => this.contextOf(f));
  }

  /** Whether nothing but the global scope is around the innermost context of a function. */
  isOutermost(f: object): boolean {
    const chain = this.memory?.chain(f);
    if (chain !== undefined) return chain.length === 1;
    const context = this.snapshot.follow(this.nodeOf(f), 'context');
    return this.snapshot.name(this.snapshot.follow(context, 'previous')).includes('NativeContext');
  }

  get #now(): Taken {
    if (this.#taken === undefined) throw snapshotNeeded;
    return this.#taken;
  }

  #calibrate(specimen: Specimen): PromiseSlots {
    const [first = -1, second = -1] = this.#reactions(specimen.promise);
    const promise = this.nodeOf(specimen.promise);
    const context = this.snapshot.follow(this.nodeOf(specimen.resolve), 'context');
    const lead = this.snapshot.edges(context).find(({ to }) => to === promise);
    if (lead === undefined) throw new Error('the functions that settle promises are not known');
    return {
      withNext: this.#slotsOf(first, specimen, second),
      last: this.#slotsOf(second, specimen, undefined),
      settlerPromise: `${lead.type} ${lead.name}`,
    };
  }

  /** The node of a function, promise or other object that inherits from Object.prototype; -1 for others. */
  nodeOf(object: unknown): number {
    const { nodeOf, snapshot } = this.#now;
    const known = nodeOf.get(object);
    if (known !== undefined) return known;
    const node =
      object !== null && (typeof object === 'object' || typeof object === 'function')
        ? snapshot.withId(this.#inspection.heapId(object))
        : -1;
    nodeOf.set(object, node);
    return node;
  }

  isProxy(node: number): boolean {
    return this.snapshot.name(node) === proxyName;
  }

  /**
   * The node of the iterator that V8 has put another one around, for a `for await` or an asynchronous `yield*` over what
   * has no asynchronous one; -1 for nodes that are none. No program and no inspector gets hold of what is around it.
   */
  syncInside(node: number): number {
    if (node < 0 || this.snapshot.name(node) !== fromSyncName) return -1;
    const hidden = this.snapshot.edges(node).filter(({ type }) => type === 'hidden');
    const [iterator, next, ...others] = hidden.map(({ to }) => to);
    const isOne =
      next !== undefined && others.length === 0 && this.snapshot.type(next) === 'closure';
    return isOne ? (iterator ?? -1) : -1;
  }

  /** The live object of a node, hidden ones as well. */
  liveOf(node: number): unknown {
    const { indexOfNode, objects, nodeOf } = this.#now;
    const index = indexOfNode[node] ?? 0;
    if (index > 0) return objects[index - 1];
    if (this.#found.has(node)) return this.#found.get(node);
    // What is no object in JavaScript has no live value that could be asked for.
    const type = this.snapshot.type(node);
    const isReceiver = type === 'object' || type === 'closure' || type === 'regexp';
    if (!isReceiver && !this.isProxy(node)) return undefined;
    if (this.syncInside(node) >= 0) return undefined;
    const live = this.#inspection.byHeapId(this.snapshot.id(node));
    this.#found.set(node, live);
    nodeOf.set(live, node);
    return live;
  }

  /** The name of the builtin that a native closure runs. */
  builtinName(node: number): string {
    const code = this.snapshot.follow(node, 'code');
    return code < 0 ? '' : this.snapshot.name(code).replace(/^\(| builtin .*$/g, '');
  }

  /** The script of a closure's node: its node and its URL; undefined for native ones. */
  scriptOf(node: number): { readonly node: number; readonly url: string } | undefined {
    const script = this.scriptOfShared(this.snapshot.follow(node, 'shared'));
    return script < 0 ? undefined : { node: script, url: this.snapshot.name(script) };
  }

  /** The node of the script of what closures of one place share; -1 for what is none. */
  scriptOfShared(shared: number): number {
    if (shared < 0) return -1;
    const script = this.snapshot.follow(shared, 'script');
    return script >= 0 ? script : this.snapshot.follow(shared, 'script_or_debug_info');
  }

  /** Some function of a script's node. */
  closureOf(script: number): object | undefined {
    const { snapshot } = this;
    for (let node = 0; node < snapshot.count; node += 1) {
      if (snapshot.type(node) === 'closure' && this.scriptOf(node)?.node === script)
        return this.liveOf(node) as object;
    }
    return undefined;
  }

  /** Nodes of the reactions of a pending promise, in the order in which they were added. */
  reactionsOf(promise: object): number[] {
    return this.#reactions(promise).reverse();
  }

  reaction(node: number): { fulfilled: number; rejected: number; derived: number } {
    const slots = this.#next(node) < 0 ? this.#slots?.last : this.#slots?.withNext;
    return {
      fulfilled: this.#hidden(node, slots?.fulfilled),
      rejected: this.#hidden(node, slots?.rejected),
      derived: this.#hidden(node, slots?.derived),
    };
  }

  /** The promise that a resolving function settles, and what it shares with its twin. */
  settler(node: number): { promise: number; pair: number } {
    const pair = this.snapshot.follow(node, 'context');
    const lead = this.snapshot
      .edges(pair)
      .find(({ type, name }) => `${type} ${name}` === this.#slots?.settlerPromise);
    return { promise: lead?.to ?? -1, pair };
  }

  #hidden(node: number, slot: number | undefined): number {
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

  #slotsOf(node: number, specimen: Specimen, next: number | undefined): ReactionSlots {
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

function take(inspection: Inspection, natives: Natives): Taken {
  // Everything with a name in JavaScript, in one array: the snapshot shows its elements in order.
  const objects = inspection.heirs(Object.prototype);
  const snapshot = Snapshot.take();
  // V8 keeps its names of objects that move from the first snapshot on.
  const id = inspection.heapId(objects);
  const indexOfNode = new Int32Array(snapshot.count);
  const nodeOf = new Map<unknown, number>();
  for (const { type, name, to } of snapshot.edges(snapshot.withId(id))) {
    if (type !== 'element' || typeof name !== 'number') continue;
    indexOfNode[to] = name + 1;
    nodeOf.set(objects[name], to);
  }
  const node = nodeOf.get(natives.probe) ?? snapshot.withId(inspection.heapId(natives.probe));
  const probe = snapshot.follow(node, 'context');
  const hole = snapshot.follow(probe, 'hole');
  const none = snapshot.follow(probe, 'none');
  return { snapshot, objects, nodeOf, indexOfNode, hole: hole === none ? -1 : hole, none };
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
