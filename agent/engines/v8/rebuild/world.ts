import { resolveSymbol } from '../capsule/builtins.ts';
import { symbolFor } from '../capsule/standIns.ts';
import type {
  ActivationRecord,
  Capsule,
  CombinatorRecord,
  Common,
  FunctionRecord,
  IteratorRecord,
  KindRecord,
  ObjectRecord,
  ReactionRecord,
  Value,
} from '../capsule/format.ts';
import type { Trees } from '../language/readTree.ts';
import type { HostRecord } from '../hosts/adapter.ts';
import { hostShell } from '../hosts/rebuild.ts';
import { activationState } from './activationState.ts';
import { followStores, giveFrame, within } from './asyncFrames.ts';
import { combinator, giveResults, spentElement, type Combinator } from './combinators.ts';
import { iterate, stepEarly, stepLate } from './iterators.ts';
import type { FunctionTexts } from './functionTexts.ts';
import { Code, RebuildError, type Objects } from './code.ts';
import type { Modules } from './modules.ts';
import { Proxies } from './proxies.ts';
import { thenInto } from './reactions.ts';
import { assign, setEntries, setProperties } from './properties.ts';
import {
  emptyArguments,
  drained,
  emptyError,
  buffer,
  finallyFunction,
  finallyThunk,
  builtin,
  viewTypes,
} from './shells.ts';

interface Settling {
  resolve: (value: unknown) => void;
  reject: (value: unknown) => void;
}

/** Who holds what hidden in an activation. */
interface LiveActivation {
  readonly record: ActivationRecord;
  readonly open: () => void;
  readonly generator: Generator | undefined;
  started: boolean;
}

/** The objects of a capsule, made again: first all of them, empty; then with what they refer to. */
export class World implements Objects {
  readonly capsule: Capsule;
  readonly code: Code;
  readonly #texts: FunctionTexts;
  readonly modules: Modules;
  readonly proxies = new Proxies(this);
  readonly #symbols: symbol[];
  readonly #objects: unknown[] = [];
  readonly #made: Uint8Array;
  readonly #settling = new Map<number, Settling>();
  readonly #activations = new Map<number, LiveActivation>();
  readonly #awaited = new Map<number, { id: number; frame: Value | undefined }>();
  /** Asynchronous generators that wait for the value which they yield. */
  readonly #yielding = new Set<number>();
  readonly #promiseOwners = new Map<number, number>();
  readonly #prototypeOwners = new Map<number, number>();
  /** Promises that follow another one: nothing else settles them any more. */
  readonly #locked = new Set<number>();
  readonly #iterators: [IteratorRecord, object][] = [];
  readonly #combinators: [CombinatorRecord, Combinator][] = [];
  readonly #makers = new Map<number, () => object>();
  readonly #hosts: (readonly [number, HostRecord])[] = [];
  #depth = 0;

  constructor(capsule: Capsule, texts: FunctionTexts, modules: Modules, read: Trees) {
    this.capsule = capsule;
    this.#texts = texts;
    this.modules = modules;
    this.#made = new Uint8Array(capsule.objects.length);
    this.#symbols = capsule.symbols.map((record) => {
      if ('wellKnown' in record) return Reflect.get(Symbol, record.wellKnown) as symbol;
      if ('registered' in record) return Symbol.for(record.registered);
      if ('description' in record) return Symbol(record.description ?? undefined);
      return resolveSymbol(record.path) ?? symbolFor(record.path);
    });
    this.#index();
    this.code = new Code(capsule, this, this.#quietClasses(), modules, read);
  }

  #record(id: number): ObjectRecord {
    const record = this.capsule.objects[id];
    if (record === undefined || record === null)
      throw new RebuildError(`the capsule has no object ${id}`);
    return record;
  }

  /** Every kind but plain objects and arrays. */
  kind(id: number): KindRecord | undefined {
    const record = this.capsule.objects[id];
    return record === undefined || record === null || Array.isArray(record)
      ? undefined
      : (record as KindRecord);
  }

  #index(): void {
    this.capsule.objects.forEach((_, id) => {
      const record = this.kind(id);
      if (record?.k === 'promise' && record.state === 'pending') {
        for (const each of record.reactions) {
          const { activation, yields, derived, fulfilled, rejected, frame } = each;
          if (activation !== undefined) this.#awaited.set(activation, { id, frame });
          if (activation !== undefined && yields === 1) this.#yielding.add(activation);
          if (derived !== undefined && fulfilled === undefined && rejected === undefined)
            this.#locked.add(derived);
        }
      }
      if (record?.k === 'host') this.#hosts.push([id, record]);
      if (record?.k === 'activation' && record.promise !== undefined)
        this.#promiseOwners.set(record.promise, id);
      if (record?.k === 'fn') {
        const prototype = record.props?.find(([key]) => key === 'prototype')?.[2];
        const owned = this.idOf(prototype);
        // That of a class cannot be replaced; functions may share it.
        const isFree = record.isClass === 1 || !this.#prototypeOwners.has(owned);
        const kind = owned > 0 ? this.kind(owned)?.k : undefined;
        if ((kind === 'obj' || kind === 'dict') && isFree) this.#prototypeOwners.set(owned, id);
      }
    });
  }

  /** Classes, the newest first, that made an object with private members. */
  #classesOf(record: Common): number[] {
    const classes: number[] = [];
    for (let proto = this.idOf(record.proto); proto > 0;) {
      const owner = this.#prototypeOwners.get(proto);
      if (owner !== undefined && (this.kind(owner) as FunctionRecord | undefined)?.isClass === 1)
        classes.push(owner);
      proto = this.idOf(this.kind(proto)?.proto);
    }
    return classes;
  }

  #quietClasses(): Set<number> {
    const quiet = new Set<number>();
    this.capsule.objects.forEach((_, id) => {
      const record = this.kind(id);
      if (record?.priv === undefined || record.k === 'fn') return;
      for (const each of this.#classesOf(record)) quiet.add(each);
    });
    return quiet;
  }

  idOf(value: unknown): number {
    return Array.isArray(value) && typeof value[0] === 'number' ? value[0] : -1;
  }

  value(value: unknown): unknown {
    if (!Array.isArray(value)) return value;
    const [first, second] = value as readonly unknown[];
    switch (first) {
      case undefined:
      case 'h':
        return undefined;
      case 'n':
        return Number(second);
      case 'b':
        return BigInt(second as string);
      case 's':
        return this.#symbols[second as number];
      default:
        return this.get(first as number);
    }
  }

  made(id: number, object: unknown): void {
    if (id <= 0 || this.#made[id] === 1) return;
    this.#objects[id] = object;
    this.#made[id] = 1;
    const record = this.kind(id);
    if (record?.k !== 'fn') return;
    this.#texts.note(object as object, record, this.capsule.scripts[record.script]?.source ?? '');
    const prototype = this.idOf(record.props?.find(([key]) => key === 'prototype')?.[2]);
    if (prototype > 0 && this.#prototypeOwners.get(prototype) === id) {
      const own = Reflect.getOwnPropertyDescriptor(object as object, 'prototype')?.value as unknown;
      if (own !== undefined) this.made(prototype, own);
    }
  }

  get(id: number): unknown {
    if (this.#made[id] === 1) return this.#objects[id];
    this.#depth += 1;
    if (this.#depth > 4_000) throw new RebuildError('objects depend on each other too deeply');
    const record = this.#record(id);
    const shell = this.#shell(id, record);
    if (shell !== undefined) this.made(id, shell);
    this.#depth -= 1;
    if (this.#made[id] !== 1)
      throw new RebuildError(
        `the object ${id} (${this.kind(id)?.k ?? ''}) needs itself to be made`,
      );
    return this.#objects[id];
  }

  /** The object with an id, if it has been made. */
  peek(id: number): unknown {
    return this.#objects[id];
  }

  /** All records of one adapter, or of all, with their ids. */
  hosts(host?: string): readonly (readonly [id: number, record: HostRecord])[] {
    return host === undefined ? this.#hosts : this.#hosts.filter(([, each]) => each.host === host);
  }

  /** An instance of a class of Node.js, or of one of the program that is derived from it, whose constructor does not run. */
  construct(record: Common, base: unknown, args: readonly unknown[]): object {
    return record.priv === undefined
      ? (Reflect.construct(base as new () => object, args) as object)
      : this.code.instance(this.#classesOf(record), args);
  }

  makeAll(): void {
    followStores(this);
    for (let id = 1; id < this.capsule.objects.length; id += 1) {
      // The activation of an asynchronous function is nothing that can be referred to.
      const record = this.kind(id);
      if (record?.k === 'activation') this.#activation(id, record);
      else this.get(id);
    }
    this.code.makeContexts();
  }

  #shell(id: number, record: ObjectRecord): unknown {
    if (Array.isArray(record)) {
      if (record[0] === 1) return new Array(record.length - 1);
      return this.#plain(record[1] as number);
    }
    const kind = record as KindRecord;
    if (kind.priv !== undefined && kind.k !== 'fn' && kind.k !== 'host')
      return this.code.instance(this.#classesOf(kind));
    switch (kind.k) {
      case 'builtin':
        return builtin(kind.paths, kind.callable === 1);
      case 'obj':
      case 'dict': {
        const owner = this.#prototypeOwners.get(id);
        if (owner !== undefined) {
          this.get(owner);
          if (this.#made[id] === 1) return undefined;
        }
        return kind.proto === null ? (Object.create(null) as object) : {};
      }
      case 'err':
        return emptyError();
      case 'args':
        return emptyArguments(
          kind.props?.some(([key, , , set]) => key === 'callee' && set !== undefined) === true,
        );
      case 'arr':
        return [];
      case 'map':
        return new Map();
      case 'set':
        return new Set();
      case 'wmap':
        return new WeakMap();
      case 'wset':
        return new WeakSet();
      case 'wref':
        return new WeakRef(this.value(kind.target) as object);
      case 'date':
        return new Date(this.value(kind.time) as number);
      case 're':
        return new RegExp(kind.source, kind.flags);
      case 'box':
        return Object(this.value(kind.value)) as object;
      case 'buf':
        return buffer(kind);
      case 'view': {
        const make = viewTypes[kind.type];
        if (make === undefined) throw new RebuildError(`this Node.js has no ${kind.type}`);
        return new make(
          this.value(kind.buffer) as ArrayBuffer,
          kind.offset,
          kind.length ?? undefined,
        );
      }
      case 'promise': {
        const owner = this.#promiseOwners.get(id);
        if (owner !== undefined && kind.state === 'pending') {
          const activation = this.kind(owner) as ActivationRecord;
          this.#activation(owner, activation);
          if (this.#made[id] === 1) return undefined;
        }
        return new Promise((resolve, reject) => this.#settling.set(id, { resolve, reject }));
      }
      case 'fn':
        this.code.make(id, kind);
        if (this.#made[id] !== 1) this.code.makeContext(kind.context);
        return undefined;
      case 'activation':
        this.#activation(id, kind);
        return undefined;
      case 'bound': {
        const parts = [kind.target, kind.self, ...kind.args].map((each) => this.value(each));
        const [target, ...given] = parts;
        return Reflect.apply(Function.prototype.bind, target as () => void, given);
      }
      case 'proxy':
        return this.proxies.make(kind);
      case 'settler':
        return this.#settler(kind.promise, kind.rejects);
      case 'finally':
        return finallyFunction(this.value(kind.callback), kind.catches);
      case 'thunk':
        return finallyThunk(this.value(kind.value), kind.throws);
      case 'combinator': {
        const parts = [kind.promise, kind.resolve, kind.reject].map((each) => this.value(each));
        const made = combinator(kind.of, kind.results.length, parts as never);
        this.#combinators.push([kind, made]);
        return made;
      }
      case 'element': {
        if (kind.group === 0) return spentElement();
        const element = (this.get(kind.group) as Combinator).elements[kind.index];
        return kind.rejects ? element?.reject : element?.resolve;
      }
      case 'iterator': {
        const iterator = iterate(kind, this.value(kind.source));
        this.#iterators.push([kind, iterator]);
        return iterator;
      }
      case 'namespace':
      case 'facade':
      case 'meta':
        return this.modules[kind.k](kind.module);
      case 'host':
        return hostShell(this, kind, id);
      default:
        throw new RebuildError('an object of an unknown kind');
    }
  }

  #plain(index: number): object {
    let make = this.#makers.get(index);
    if (make === undefined) {
      const shape = this.capsule.shapes[index];
      if (shape === undefined) throw new RebuildError('an object without a shape');
      const proto = this.value(shape.proto) as object | null;
      make = proto === Object.prototype ? () => ({}) : () => Object.create(proto) as object;
      this.#makers.set(index, make);
    }
    return make();
  }

  #settler(promise: number, rejects: boolean): unknown {
    if (!this.#locked.has(promise)) {
      this.get(promise);
      const settling = this.#settling.get(promise);
      if (settling !== undefined) return rejects ? settling.reject : settling.resolve;
    }
    let used: Settling | undefined;
    void new Promise((resolve, reject) => {
      used = { resolve, reject };
    });
    used?.resolve(undefined);
    return rejects ? used?.reject : used?.resolve;
  }

  #activation(id: number, record: ActivationRecord): void {
    if (this.#activations.has(id)) return;
    if (record.state === 'closed') {
      const spent =
        record.kind === 'asyncGenerator' ? (async function* () {})() : (function* () {})();
      void spent.return(undefined);
      this.made(id, spent);
      return;
    }
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const awaited = this.#awaited.get(id);
    // A generator that waits for what nothing can settle any more waits for ever.
    const isLost = awaited === undefined && record.promise !== undefined;
    const never = isLost ? new Promise(() => undefined) : undefined;
    const awaitedObject = (): unknown => (awaited === undefined ? never : this.get(awaited.id));
    const returns = record.returns === 1 && !isLost && !this.#yielding.has(id);
    const waits = returns ? (): unknown => undefined : awaitedObject;
    const state = activationState(record, (each) => this.value(each), waits, gate);
    const live: { -readonly [K in keyof LiveActivation]: LiveActivation[K] } = {
      record,
      open,
      generator: undefined,
      started: false,
    };
    this.#activations.set(id, live);
    const body = this.code.body(record, state);
    const args = (record.args ?? []).map((each) => this.value(each));
    const receiver = this.value(record.receiver);
    const begin = (): unknown => Reflect.apply(body, receiver, args) as unknown;
    const result = within(this, awaited?.frame, begin);
    if (record.kind === 'async') {
      if (record.promise !== undefined) this.made(record.promise, result);
      this.modules.goesOn(record.module, result);
    } else {
      live.generator = result as Generator;
      this.made(id, result);
    }
    if (record.kind === 'asyncGenerator' && record.state === 'suspended')
      within(this, awaited?.frame, () =>
        this.#requests(record, result as AsyncGenerator, returns ? awaitedObject : undefined),
      );
  }

  /**
   * Asks an asynchronous generator for what it was asked for; it goes on when its gate is opened.
   * @param returned gives what it is to return
   */
  #requests(
    record: ActivationRecord,
    generator: AsyncGenerator,
    returned: (() => unknown) | undefined,
  ): void {
    const begins = generator.next();
    const head = returned === undefined ? begins : generator.return(returned());
    if (record.promise !== undefined) this.made(record.promise, head);
    for (const { mode, value, promise } of record.requests ?? [])
      this.made(promise, generator[mode](this.value(value)));
  }

  /** Gives all objects their properties and contents. */
  fill(): void {
    for (const [record, iterator] of this.#iterators)
      stepEarly(record, iterator, this.value(record.source));
    for (let id = 1; id < this.capsule.objects.length; id += 1) {
      const record = this.#record(id);
      if (Array.isArray(record)) this.#fillPlain(id, record as readonly [number, ...Value[]]);
      else this.#fillKind(id, record as KindRecord);
    }
    for (const [record, iterator] of this.#iterators)
      stepLate(record, iterator, this.value(record.source));
    for (const [record, made] of this.#combinators)
      giveResults(record, made, (each) => this.value(each));
    this.code.settleContexts();
    this.code.settleHomes();
  }

  #fillPlain(id: number, record: readonly [number, ...Value[]]): void {
    const object = this.#objects[id] as Record<string, unknown> & unknown[];
    if (record[0] === 1) {
      for (let index = 1; index < record.length; index += 1)
        object[index - 1] = this.value(record[index]);
      return;
    }
    const { keys } = this.capsule.shapes[record[1] as number] ?? { keys: [] };
    for (let index = 0; index < keys.length; index += 1) {
      assign(object, keys[index] ?? '', this.value(record[index + 2]));
    }
  }

  #fillKind(id: number, record: KindRecord): void {
    if (record.k === 'host') this.#fillHost(id, record);
    if (/^(builtin|host|namespace|facade|combinator|proxy)$/.test(record.k)) return;
    if (record.k === 'activation' && record.kind === 'async') return;
    const object = this.#objects[id] as object;
    if (record.k === 'map')
      for (const [key, value] of record.entries)
        Map.prototype.set.call(object, this.value(key), this.value(value));
    if (record.k === 'wmap')
      for (const [key, value] of record.entries)
        WeakMap.prototype.set.call(object, this.value(key) as object, this.value(value));
    if (record.k === 'set')
      for (const each of record.members) Set.prototype.add.call(object, this.value(each));
    if (record.k === 'wset')
      for (const each of record.members)
        WeakSet.prototype.add.call(object, this.value(each) as object);
    if (record.proto !== undefined) {
      const proto = this.value(record.proto) as object | null;
      if (Object.getPrototypeOf(object) !== proto) Object.setPrototypeOf(object, proto);
    }
    if (record.k === 'arr') (object as unknown[]).length = record.length;
    if (record.k === 'dict') setEntries(this, object, record.entries);
    else setProperties(this, object, record.props ?? [], true);
    if (record.priv !== undefined) {
      const classes = record.k === 'fn' ? [id] : this.#classesOf(record);
      this.code.setPrivates(
        object,
        classes,
        record.priv.map(([name, value]) => [name, this.value(value)] as const),
      );
    }
    if (record.closed === 1) Object.preventExtensions(object);
  }

  #fillHost(id: number, record: HostRecord): void {
    const object = this.#objects[id] as object;
    if (record.proto !== undefined) {
      const proto = this.value(record.proto) as object | null;
      if (Object.getPrototypeOf(object) !== proto) Object.setPrototypeOf(object, proto);
    }
    setProperties(this, object, record.props ?? [], false);
    if (record.priv !== undefined) {
      this.code.setPrivates(
        object,
        this.#classesOf(record),
        record.priv.map(([name, value]) => [name, this.value(value)] as const),
      );
    }
  }

  /** Lets activations stand where they stood and hangs on promises what waits for them, in its order. */
  async settle(): Promise<void> {
    for (const { record, generator } of this.#activations.values()) {
      if (record.kind === 'generator' && record.state === 'suspended') generator?.next();
    }
    for (let id = 1; id < this.capsule.objects.length; id += 1) {
      const record = this.kind(id);
      if (record?.k !== 'promise') continue;
      if (record.state === 'pending') {
        for (const each of record.reactions)
          await this.#react(this.#objects[id] as Promise<unknown>, each);
      }
    }
    for (const live of this.#activations.values()) await this.#start(live);
    for (let id = 1; id < this.capsule.objects.length; id += 1) {
      const record = this.kind(id);
      if (record?.k !== 'promise' || record.state === 'pending') continue;
      const settling = this.#settling.get(id);
      if (record.state === 'fulfilled') this.#fulfil(settling, this.value(record.result));
      else {
        if (record.unhandled !== 1)
          (this.#objects[id] as Promise<unknown>).then(undefined, () => undefined);
        settling?.reject(this.value(record.result));
      }
    }
    await drained();
  }

  /** Without looking for a `then` on the value. */
  #fulfil(settling: Settling | undefined, value: unknown): void {
    const thenable = (typeof value === 'object' && value !== null) || typeof value === 'function';
    if (thenable && 'then' in value)
      throw new RebuildError('a promise that is fulfilled with a thenable');
    settling?.resolve(value);
  }

  async #start(live: LiveActivation): Promise<void> {
    if (live.started || live.record.kind === 'generator' || live.record.state !== 'suspended')
      return;
    live.started = true;
    live.open();
    await drained();
  }

  async #react(promise: Promise<unknown>, reaction: ReactionRecord): Promise<void> {
    if (reaction.activation !== undefined) {
      const live = this.#activations.get(reaction.activation);
      if (live !== undefined) await this.#start(live);
      return;
    }
    const fulfilled = this.value(reaction.fulfilled ?? []) as (() => void) | undefined;
    const rejected = this.value(reaction.rejected ?? []) as (() => void) | undefined;
    if (reaction.derived === undefined) {
      within(this, reaction.frame, () => Promise.prototype.then.call(promise, fulfilled, rejected));
      return;
    }
    const derived = this.get(reaction.derived);
    const settling = this.#settling.get(reaction.derived);
    if (settling === undefined) throw new RebuildError('a promise that two things settle');
    giveFrame(this, reaction.frame, derived as object);
    within(this, reaction.frame, () =>
      thenInto(promise, fulfilled, rejected, { ...settling, derived }),
    );
  }
}
