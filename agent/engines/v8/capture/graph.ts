import { types } from 'node:util';
import type {
  KindRecord,
  ObjectRecord,
  PropertyRecord,
  ShapeRecord,
  SymbolRecord,
  Value,
} from '../capsule/format.ts';
import type { RecordLines } from '../capsule/recordLines.ts';
import {
  corePath,
  isObject,
  lazyBuiltins,
  wellKnownName,
  type Builtins,
} from '../capsule/builtins.ts';
import { symbolStandsFor } from '../capsule/standIns.ts';
import { argumentsRecord } from './argumentsObjects.ts';
import type { Heap } from './heap.ts';
import type { Hidden } from './hidden.ts';
import type { Inspection } from './inspection.ts';
import type { NodeInternals } from './internals.ts';
import type { LiveModules } from './modules.ts';
import type { Natives } from './natives.ts';
import type { Originals } from './originals.ts';
import type { Trees } from '../language/readTree.ts';
import { Contexts } from './contexts.ts';
import { entriesOf } from './dictionaries.ts';
import { homeOf } from './homes.ts';
import { Found } from './found.ts';
import { insideOf } from './evaluated.ts';
import { Scripts } from './scripts.ts';
import { Refusal } from './refusal.ts';
import { refuseKnown } from '../hosts/foreign.ts';
import { hostRecord, type HostWorld } from '../hosts/capture.ts';
import { checkCoreClass, corePrototype, isCoreModule, makerOf } from './coreClasses.ts';
import { functionRecord, isUserFunction } from './functions.ts';
import { promiseRecord } from './promises.ts';
import { propertyRecords } from './properties.ts';
import { PrivateClasses } from './privateClasses.ts';
import { TemplateObjects } from './templateObjects.ts';
import { bufferRecord, viewRecord } from './views.ts';
import { WeakTargets } from './weakTarget.ts';
import { activationRecord } from './activations.ts';
import { iteratorRecord } from './iterators.ts';

interface LiveShape {
  readonly index: number;
  /** Whether what has it is an object like any other, whatever its values are. */
  readonly isUsual: boolean;
  readonly specimen: object;
  readonly keys: readonly string[];
}

/** How many shapes of one prototype are compared with an object before its own keys are listed. */
const comparedShapes = 12;
/** Objects that are written down between two collections of garbage. */
const tidyInterval = 250_000;

/** Everything that is reachable from the roots, written down. */
export class Graph {
  readonly symbols: SymbolRecord[] = [];
  readonly shapes: ShapeRecord[] = [];
  readonly objects: RecordLines;
  readonly contexts: Contexts;
  readonly scripts: Scripts;
  readonly heap: Heap;
  readonly inspection: Inspection;
  readonly natives: Natives;
  readonly internals: NodeInternals;
  readonly builtins: Builtins;
  readonly originals: Originals;
  readonly hosts: HostWorld;
  readonly hidden: Hidden;
  readonly modules: LiveModules;
  readonly templates = new TemplateObjects(this);
  /** By the node of a promise, what the functions that settle it share. */
  readonly settlers = new Map<number, number>();
  /** Activations of asynchronous functions, which reflection takes for plain objects. */
  readonly activations = new Set<object>();
  readonly #details: Record<
    'getPromiseDetails' | 'getProxyDetails' | 'previewEntries',
    (value: object, more?: boolean) => unknown
  >;
  readonly #coreSymbols: Map<symbol, string>;
  readonly #ids = new Map<unknown, number>();
  readonly #found = new Found();
  readonly #symbolIds = new Map<symbol, number>();
  /** The first object that has not been visited. */
  #next = 1;
  readonly #shapesOf = new Map<unknown, LiveShape[]>();
  readonly #shapeIndex = new Map<string, number>();
  readonly #privateClasses = new PrivateClasses(this);
  readonly #weakTargets: WeakTargets;
  readonly #arrays: readonly object[];
  readonly #lazy = new Map<unknown, string[]>();
  readonly #listenerLists = new Set<object>();
  /** The functions among the builtins, by script. */
  #coreFunctions: Map<number, [object, number][]> | undefined;
  #current = 0;

  constructor(world: {
    heap: Heap;
    inspection: Inspection;
    natives: Natives;
    internals: NodeInternals;
    builtins: Builtins;
    originals: Originals;
    coreSymbols: Map<symbol, string>;
    /** Scripts that have been read already. */
    trees: Trees;
    hosts: HostWorld;
    hidden: Hidden;
    modules: LiveModules;
    objects: RecordLines;
  }) {
    this.objects = world.objects;
    this.heap = world.heap;
    this.inspection = world.inspection;
    this.natives = world.natives;
    this.internals = world.internals;
    this.builtins = world.builtins;
    this.originals = world.originals;
    this.hosts = world.hosts;
    this.hidden = world.hidden;
    this.modules = world.modules;
    this.#coreSymbols = world.coreSymbols;
    this.contexts = new Contexts(
      world.heap,
      (value, label) => this.value(value, label),
      (url, name, value) => this.#coreVariable(url, name, value),
      (node, scope) => homeOf(this, node, scope),
    );
    this.scripts = new Scripts(world.heap, world.natives, world.trees, (f, source, tree) =>
      insideOf(this, f, source, tree),
    );
    this.objects.reserve();
    this.#details = world.internals.binding('util') as never;
    this.#weakTargets = new WeakTargets(world.natives);
    this.#arrays = [[1], [1.5], [{}], [,], [, 1.5], [, {}], []];
  }

  /** Writes a value down; what it refers to is visited by {@link visitAll}. */
  value(value: unknown, label: string | number): Value {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'number':
        if (Number.isFinite(value) && !Object.is(value, -0)) return value;
        return ['n', Object.is(value, -0) ? '-0' : String(value)];
      case 'undefined':
        return [];
      case 'bigint':
        return ['b', value.toString()];
      case 'symbol':
        return ['s', this.#symbol(value)];
      default:
        return value === null ? null : [this.id(value, label)];
    }
  }

  id(object: unknown, label: string | number): number {
    const known = this.#ids.get(object);
    if (known !== undefined) return known;
    const id = this.#reserve(object, label);
    this.#ids.set(object, id);
    const builtin = this.builtins.indexOf.get(object);
    const paths = builtin === undefined ? this.#lazy.get(object) : this.builtins.paths(builtin);
    if (paths !== undefined) {
      const callable = typeof object === 'function' ? { callable: 1 as const } : {};
      this.objects.set(id, { k: 'builtin', paths, ...callable });
    }
    return id;
  }

  #reserve(live: unknown, label: string | number): number {
    this.#found.add(live, this.#current, label);
    return this.objects.reserve();
  }

  /** An object that no value of the program refers to. */
  add(record: ObjectRecord): number {
    const id = this.#reserve(undefined, '');
    this.objects.set(id, record);
    return id;
  }

  /**
   * @param between asked before each object whether to go on; what it throws ends it
   * @returns whether all have been visited; if not it can be called again
   */
  visitAll(between: () => boolean): boolean {
    // In the order of their ids, so that what is written down can be put away.
    for (; this.#next < this.objects.count; this.#next += 1) {
      const id = this.#next;
      if (!between()) return false;
      // V8 would let garbage grow to the size of the program.
      if (id % tidyInterval === 0) this.heap.memory?.tidy();
      if (this.objects.has(id)) continue;
      this.#current = id;
      try {
        this.objects.set(id, this.#visit(this.#found.live(id) as object));
      } catch (error) {
        if (!(error instanceof Refusal) || error.message.startsWith('Cannot move')) throw error;
        const { hint, passing } = error;
        throw new Refusal(`Cannot move yet: ${this.path()}: ${error.message}`, {
          passing,
          ...(hint === undefined ? {} : { hint }),
        });
      }
    }
    return true;
  }

  live(id: number): unknown {
    return this.#found.live(id);
  }

  idOf(object: unknown): number | undefined {
    return this.#ids.get(object);
  }

  /** How the program gets to what is being visited: `server.js › handlers › 3`. */
  path(id = this.#current): string {
    return this.#found.path(id);
  }

  refuse(what: string, options: { hint?: string; passing?: boolean } = {}): Refusal {
    return new Refusal(`Cannot move yet: ${this.path()} is ${what}.`, options);
  }

  /** Own properties, without those that `skip` names. */
  properties(object: object, skip?: (key: string | symbol) => boolean): PropertyRecord[] {
    return propertyRecords(this, object, skip);
  }

  /** Prototype, properties and whether it is closed, for a record of any kind. */
  finish<T extends KindRecord>(
    record: T,
    object: object,
    skip?: (key: string | symbol) => boolean,
  ): T {
    record.proto = this.value(Object.getPrototypeOf(object), '__proto__');
    const props = this.properties(object, skip);
    if (props.length > 0) record.props = props;
    if (!Object.isExtensible(object)) record.closed = 1;
    if (this.#privateClasses.isIn(Object.getPrototypeOf(object))) {
      const { privates, hasPrivateMethods } = this.inspection.internals(object);
      if (privates.length > 0 || hasPrivateMethods) {
        record.priv = privates.map(([name, value]) => [name, this.value(value, name)]);
      }
    }
    return record;
  }

  /** What a function of Node.js sees in a variable of its module: what the target has there, unless it is no object. */
  #coreVariable(url: string, name: string, value: unknown): Value {
    if (typeof value === 'symbol') this.#coreSymbols.set(value, corePath(url, name));
    else if (isObject(value) && !this.#ids.has(value)) this.named(value, [corePath(url, name)]);
    return this.value(value, name);
  }

  /** The name of a symbol of Node.js's own; the first one that is given stays. */
  nameSymbol(symbol: symbol, path: string): void {
    if (!this.#coreSymbols.has(symbol)) this.#coreSymbols.set(symbol, path);
  }

  isNamedSymbol(symbol: symbol): boolean {
    return this.#coreSymbols.has(symbol) || this.#symbolIds.has(symbol);
  }

  /** From here on an object is what is found by these ways. */
  named(object: object, paths: string[]): void {
    if (!this.builtins.indexOf.has(object) && !this.#lazy.has(object)) {
      this.#lazy.set(object, paths);
    }
  }

  /** Ways to a function that Node.js keeps in a variable of one of its modules; undefined when it is not kept so. */
  // eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
  variableOfCore(f: Function): string[] | undefined {
    if (this.#coreFunctions === undefined) {
      this.#coreFunctions = new Map();
      for (const [value, index] of this.builtins.indexOf) {
        const script = typeof value === 'function' ? this.natives.scriptId(value) : -1;
        if (script < 0) continue;
        const there = this.#coreFunctions.get(script);
        if (there === undefined) this.#coreFunctions.set(script, [[value as object, index]]);
        else there.push([value as object, index]);
      }
    }
    for (const [object, paths] of lazyBuiltins(this.builtins, f)) this.#lazy.set(object, paths);
    const lazy = this.#lazy.get(f);
    if (lazy !== undefined) return lazy;
    const context = this.heap.contextOf(f);
    const siblings = this.#coreFunctions.get(this.natives.scriptId(f)) ?? [];
    const beside = siblings.find(([each]) => this.heap.contextOf(each) === context)?.[1];
    const url = this.heap.script(f)?.url ?? '';
    if (beside === undefined && !(url.startsWith('node:') && this.heap.isOutermost(f))) {
      return undefined;
    }
    for (const { object } of this.inspection.internals(f).scopes) {
      const name = Object.getOwnPropertyNames(object).find((each) => {
        try {
          return Reflect.get(object, each) === f;
        } catch {
          return false;
        }
      });
      if (name === undefined) continue;
      const known = beside === undefined ? [] : this.builtins.paths(beside);
      return [...known.map((path) => `${path}\n$${name}`), corePath(url, name)];
    }
    return undefined;
  }

  /** Entries of a Map or Set iterator that it has not given yet, and whether they are pairs. */
  preview(iterator: object): [flat: unknown[], pairs: boolean] {
    return this.#details.previewEntries(iterator, true) as [unknown[], boolean];
  }

  /** Target and handler; null for one that was revoked. */
  proxyDetails(proxy: object): [target: unknown, handler: unknown] {
    return this.#details.getProxyDetails(proxy, true) as [unknown, unknown];
  }

  promiseDetails(promise: object): [state: number, result: unknown] {
    return this.#details.getPromiseDetails(promise) as [number, unknown];
  }

  #symbol(symbol: symbol): number {
    const known = this.#symbolIds.get(symbol);
    if (known !== undefined) return known;
    const id = this.symbols.length;
    this.#symbolIds.set(symbol, id);
    const wellKnown = wellKnownName(symbol);
    const registered = Symbol.keyFor(symbol);
    const path = this.#coreSymbols.get(symbol) ?? symbolStandsFor(symbol);
    this.symbols.push(
      wellKnown !== undefined
        ? { wellKnown }
        : registered !== undefined
          ? { registered }
          : path !== undefined
            ? { path }
            : { description: symbol.description ?? null },
    );
    return id;
  }

  /** What has the shape of an object or array that has been looked at closely is looked at no closer. */
  #usual(object: object): ObjectRecord | undefined {
    const shape = this.#knownShape(object, Object.prototype);
    if (shape?.isUsual === true) return this.#plain(object, shape);
    return Array.isArray(object) && !this.#listenerLists.has(object)
      ? this.#plainArray(object)
      : undefined;
  }

  #visit(object: object): ObjectRecord {
    const usual = types.isProxy(object) ? undefined : this.#usual(object);
    if (usual !== undefined) return usual;
    if (types.isProxy(object)) {
      const [target, handler] = this.proxyDetails(object);
      if (handler === null) {
        const revoked = typeof object === 'function' ? 'function' : 'object';
        return { k: 'proxy', target: null, handler: null, revoked };
      }
      return {
        k: 'proxy',
        target: this.value(target, 'target'),
        handler: this.value(handler, 'handler'),
      };
    }
    if (this.activations.has(object)) return activationRecord(this, object);
    if (types.isModuleNamespaceObject(object)) return this.modules.namespaceRecord(this, object);
    const meta = this.modules.metaOf(object);
    if (meta !== undefined) return this.finish({ k: 'meta', module: meta }, object);
    const prototype = corePrototype(this, object);
    if (prototype !== undefined) return { k: 'builtin', paths: prototype };
    const host = hostRecord(this, object);
    if (host !== undefined) return host;
    if (typeof object === 'function') return functionRecord(this, object);
    if (Array.isArray(object))
      return this.templates.record(this.#current, object) ?? this.#array(object);
    const proto = Object.getPrototypeOf(object) as object | null;
    const shape = this.#knownShape(object, proto);
    if (shape !== undefined) return this.#plain(object, shape);
    const special = this.#special(object);
    if (special !== undefined) return special;
    this.#checkOrdinary(object);
    if (!this.#privateClasses.isIn(proto)) {
      const added = this.#addShape(object, proto);
      if (added !== undefined) return this.#plain(object, added);
      const entries = entriesOf(this, object);
      if (entries !== undefined)
        return { k: 'dict', proto: this.value(proto, '__proto__'), entries };
    }
    return this.finish({ k: 'obj' }, object);
  }

  #plain(object: object, { index, keys }: LiveShape): ObjectRecord {
    const record: [0, number, ...Value[]] = [0, index];
    for (const key of keys) record.push(this.value(Reflect.get(object, key), key));
    return record;
  }

  #knownShape(object: object, proto: object | null): LiveShape | undefined {
    const shapes = this.#shapesOf.get(proto);
    if (shapes === undefined) return undefined;
    for (let index = shapes.length - 1; index >= 0; index -= 1) {
      const shape = shapes[index];
      if (shape !== undefined && this.natives.sameShape(object, shape.specimen)) return shape;
    }
    return undefined;
  }

  #addShape(object: object, proto: object | null): LiveShape | undefined {
    if (!this.natives.isFast(object) || !Object.isExtensible(object)) return undefined;
    const keys: string[] = [];
    for (const key of Reflect.ownKeys(object)) {
      const descriptor = Reflect.getOwnPropertyDescriptor(object, key);
      const isPlain =
        typeof key === 'string' &&
        key !== '__proto__' &&
        // Elements are not part of what V8 compares.
        !/^\d/.test(key) &&
        descriptor !== undefined &&
        'value' in descriptor &&
        descriptor.writable === true &&
        descriptor.enumerable === true &&
        descriptor.configurable === true;
      if (!isPlain) return undefined;
      keys.push(key);
    }
    // Whether there are elements is not seen by comparing either: such objects must not share a shape.
    if (keys.length === 0) return undefined;
    const protoValue = this.value(proto, '__proto__');
    const name = JSON.stringify([protoValue, keys]);
    let index = this.#shapeIndex.get(name);
    if (index === undefined) {
      index = this.shapes.length;
      this.#shapeIndex.set(name, index);
      this.shapes.push({ proto: protoValue, keys });
    }
    const isUsual = !keys.includes('constructor') && !keys.includes('fd');
    const shape = { index, isUsual, specimen: object, keys };
    const shapes = this.#shapesOf.get(proto);
    if (shapes === undefined) this.#shapesOf.set(proto, [shape]);
    else {
      shapes.push(shape);
      if (shapes.length > comparedShapes) shapes.shift();
    }
    return shape;
  }

  /** Tells which arrays are lists of listeners, of which versions of Node.js think differently. */
  noteListeners(emitter: object): void {
    const events = Reflect.getOwnPropertyDescriptor(emitter, '_events')?.value as unknown;
    if (!isObject(events)) return;
    for (const list of Object.values(Object.getOwnPropertyDescriptors(events))) {
      if (Array.isArray(list.value)) this.#listenerLists.add(list.value);
    }
  }

  #array(array: unknown[]): ObjectRecord {
    if (this.#listenerLists.has(array)) {
      const list = array.map((each, index) => this.value(each, `listener ${index}`));
      return { k: 'host', host: 'listeners', state: { list } };
    }
    const plain = this.#plainArray(array);
    if (plain !== undefined) return plain;
    return this.finish(
      { k: 'arr', length: array.length },
      array,
      (key) =>
        key === 'length' && Reflect.getOwnPropertyDescriptor(array, 'length')?.writable === true,
    );
  }

  /** Undefined for one that has holes, or anything that most arrays do not have. */
  #plainArray(array: unknown[]): ObjectRecord | undefined {
    if (!this.#arrays.some((specimen) => this.natives.sameShape(array, specimen))) return undefined;
    const record: [1, ...Value[]] = [1];
    for (let index = 0; index < array.length; index += 1) {
      const each = array[index];
      if (each === undefined && !Object.hasOwn(array, index)) return undefined;
      record.push(this.value(each, index));
    }
    return record;
  }

  #entries(object: object): unknown[] {
    return this.preview(object)[0];
  }

  #special(object: object): ObjectRecord | undefined {
    const value = (each: unknown, label: string): Value => this.value(each, label);
    if (types.isPromise(object)) return promiseRecord(this, object);
    if (types.isMap(object) || types.isWeakMap(object)) {
      const flat = this.#entries(object);
      const entries: [Value, Value][] = [];
      for (let index = 0; index < flat.length; index += 2) {
        const key = flat[index];
        const label = typeof key === 'string' ? key : `entry ${index / 2}`;
        entries.push([value(key, `key ${index / 2}`), value(flat[index + 1], label)]);
      }
      return this.finish({ k: types.isMap(object) ? 'map' : 'wmap', entries }, object);
    }
    if (types.isSet(object) || types.isWeakSet(object)) {
      const members = this.#entries(object).map((each, index) => value(each, `member ${index}`));
      return this.finish({ k: types.isSet(object) ? 'set' : 'wset', members }, object);
    }
    if (types.isDate(object)) {
      return this.finish(
        { k: 'date', time: value(Date.prototype.getTime.call(object), 'time') },
        object,
      );
    }
    if (types.isRegExp(object)) {
      const { source, flags } = object;
      return this.finish({ k: 're', source, flags }, object);
    }
    if (types.isNativeError(object)) {
      checkCoreClass(this, object);
      return this.finish({ k: 'err' }, object);
    }
    if (types.isAnyArrayBuffer(object)) return bufferRecord(this, object);
    if (ArrayBuffer.isView(object)) return viewRecord(this, object);
    if (types.isBoxedPrimitive(object)) {
      return this.finish(
        { k: 'box', value: value(object.valueOf(), 'value') },
        object,
        (key) =>
          types.isStringObject(object) && typeof key === 'string' && /^(\d+|length)$/.test(key),
      );
    }
    if (types.isGeneratorObject(object)) return activationRecord(this, object);
    const iterator = iteratorRecord(this, object);
    if (iterator !== undefined) return iterator;
    if (types.isArgumentsObject(object)) return this.finish(argumentsRecord(this, object), object);
    if (types.isExternal(object))
      throw this.refuse('a value of native code', { hint: 'Native addons cannot be carried.' });
    const target = this.#weakTargets.of(object);
    if (target !== undefined)
      return this.finish({ k: 'wref', target: value(target, 'target') }, object);
    return undefined;
  }

  /** Refuses instances of classes of Node.js that keep what reflection does not show. */
  #checkOrdinary(object: object): void {
    // What instances inherit from has been made by a class declaration, not by a class of Node.js.
    const maker = makerOf(object);
    if (maker !== undefined && isUserFunction(this, maker)) return;
    refuseKnown(this, object);
    checkCoreClass(this, object);
    for (let proto = Object.getPrototypeOf(object) as object | null; proto !== null;) {
      if (this.hosts.isOrdinary(proto, object) || isCoreModule(this, proto)) return;
      if (this.builtins.indexOf.has(proto)) {
        const name = (proto.constructor as { name?: string } | undefined)?.name ?? 'object';
        throw this.refuse(`a ${name}, which cannot be carried`, {
          hint: 'Close it or let go of it before the move.',
        });
      }
      if (types.isProxy(proto)) return;
      proto = Object.getPrototypeOf(proto) as object | null;
    }
  }
}
