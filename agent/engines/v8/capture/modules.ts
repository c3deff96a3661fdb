import { Module } from 'node:module';
import { types } from 'node:util';
import type { KindRecord, ModuleRecord, ScriptRecord, Value } from '../capsule/format.ts';
import { hiddenValue } from '../hosts/adapter.ts';
import { findTarget } from '../language/places.ts';
import { localExports, moduleBody } from '../language/moduleBody.ts';
import { readOriginMark } from '../language/origin.ts';
import { offsetOf } from '../language/positions.ts';
import type { Graph } from './graph.ts';
import type { Heap } from './heap.ts';
import type { Inspection, Internals } from './inspection.ts';
import type { NodeInternals } from './internals.ts';
import { Refusal } from './refusal.ts';
import { shortUrl, type Place, type Script } from './scripts.ts';

/** What Node.js keeps of a module. */
interface ModuleWrap {
  readonly $flickModule?: ModuleOrigin;
  /** What a rebuild made for those who `require` it. */
  readonly $flickFacade?: object;
  getNamespace(): object;
  /** Of a module that has been evaluated, the promise that this once gave. */
  evaluate(timeout: number, breaks: boolean): unknown;
  getStatus(): number;
  getError(): unknown;
  getModuleRequests(): readonly {
    readonly specifier: string;
    readonly attributes?: { readonly type?: string };
  }[];
}

interface Job {
  readonly module?: ModuleWrap;
  readonly modulePromise?: unknown;
  readonly linked?: readonly Job[] | Promise<readonly Job[]>;
  readonly isMain?: boolean;
}

/** What a rebuild notes of a module that it made again. */
export interface ModuleOrigin {
  readonly script: ScriptRecord;
  readonly main: boolean;
  /** Its activation is a function that the rebuild made. */
  readonly resumed: boolean;
  /** Specifier, kind, and the URL and kind of what was found for it. */
  readonly requests: readonly (readonly [
    specifier: string,
    type: string,
    url: string,
    urlType: string,
  ])[];
}

interface LiveModule {
  readonly index: number;
  readonly url: string;
  readonly type: string;
  readonly job: Job;
  readonly wrap: ModuleWrap;
  readonly namespace: object;
}

interface SourceModule {
  readonly live: LiveModule;
  readonly script: Script;
  /** Node of its record in V8. */
  readonly node: number;
  readonly generator: number;
  readonly state: 'done' | 'waits' | 'linked';
}

/** What Node.js calls the states of modules. */
const instantiated = 2;
const evaluated = 4;
const failed = 5;

const implicitType = 'implicit';

/** The ES modules of the program. To be made before the snapshot of the heap is taken. */
export class LiveModules {
  readonly #all: LiveModule[] = [];
  readonly #byNamespace = new Map<object, LiveModule>();
  readonly #byJob = new Map<Job, LiveModule>();
  readonly #byFacade = new Map<object, LiveModule>();
  /** By the node of the suspended activation. */
  readonly #activations = new Map<number, SourceModule>();
  readonly #metas = new Map<unknown, number>();
  readonly #resolvers = new Map<unknown, number>();
  readonly #places = new Map<object, Script>();
  /** Activations of modules, by script. */
  readonly #reached = new Map<number, number>();
  /** A function of each script, by the URL of the script. */
  #functions: Map<string, object | undefined> | undefined;
  readonly #details: (promise: object) => [state: number, result?: unknown];

  /** @throws {Refusal} while a module is being loaded */
  constructor(inspection: Inspection, internals: NodeInternals) {
    this.#details = internals.binding('util')['getPromiseDetails'] as never;
    for (const [url, byType] of loadCache(inspection, internals)) {
      for (const [type, job] of Object.entries(byType)) {
        if (typeof job !== 'object') continue;
        const wrap = job.module ?? this.#result(job.modulePromise);
        if (wrap === undefined) {
          if (this.#isRejected(job.modulePromise)) continue;
          throw loading(url);
        }
        if (this.#isRejected(job.linked)) continue;
        const status = wrap.getStatus();
        if (status < instantiated) {
          if (types.isPromise(job.linked) && this.#details(job.linked)[0] === 0) throw loading(url);
          continue;
        }
        const namespace = wrap.getNamespace();
        const live = { index: this.#all.length, url, type, job, wrap, namespace };
        this.#all.push(live);
        this.#byNamespace.set(namespace, live);
        this.#byJob.set(job, live);
        if (wrap.$flickFacade !== undefined) this.#byFacade.set(wrap.$flickFacade, live);
      }
    }
    this.#findFacades();
  }

  /** What modules of CommonJS got from `require` for an ES module. */
  #findFacades(): void {
    const byWrap = new Map(this.#all.map((live) => [live.wrap, live]));
    for (const module of Object.values(Reflect.get(Module, '_cache') as Record<string, object>)) {
      const live = byWrap.get(hiddenValue(module, 'kRequiredModuleSymbol') as ModuleWrap);
      const exported = Reflect.getOwnPropertyDescriptor(module, 'exports')?.value as object;
      if (live === undefined || !types.isModuleNamespaceObject(exported)) continue;
      if (exported !== live.namespace) this.#byFacade.set(exported, live);
    }
  }

  #isRejected(promise: unknown): boolean {
    return types.isPromise(promise) && this.#details(promise)[0] === 2;
  }

  #result(promise: unknown): ModuleWrap | undefined {
    if (!types.isPromise(promise)) return undefined;
    const [state, result] = this.#details(promise);
    return state === 1 ? (result as ModuleWrap) : undefined;
  }

  namespaceRecord(graph: Graph, object: object): KindRecord {
    const live = this.#byNamespace.get(object);
    if (live !== undefined) return { k: 'namespace', module: live.index };
    const behind = this.#byFacade.get(object);
    if (behind !== undefined) return { k: 'facade', module: behind.index };
    throw graph.refuse('the namespace of an ES module that Node.js has not loaded itself');
  }

  /** The module whose `import.meta` an object is. */
  metaOf(object: object): number | undefined {
    return this.#metas.get(object);
  }

  /** The module whose `import.meta.resolve` a function is. */
  resolverOf(f: object): number | undefined {
    return this.#resolvers.get(f);
  }

  /**
   * The top level of a module, when an activation is one.
   * @param id of the activation
   * @param origin what a rebuild noted of it
   */
  placeOf(id: number, activation: number, origin: object | undefined): Place | undefined {
    const script =
      this.#activations.get(activation)?.script ??
      (origin === undefined ? undefined : this.#places.get(origin));
    if (script === undefined) return undefined;
    this.#reached.set(script.index, id);
    return { script, node: moduleBody(script.tree).fn, isRebuilt: origin !== undefined };
  }

  /** To be called when everything has been visited. @throws {Refusal} when nothing would wake a module */
  complete(records: readonly ModuleRecord[]): ModuleRecord[] {
    const main = records.findIndex((each) => each.kind === 'source' && each.main === true);
    const begun = reachable(records, main);
    return records.map((record, index) => {
      const isOpen = record.kind === 'source' && /^(waits|linked)$/.test(record.state);
      // Node.js alone knows who waits for a module that was imported while the program ran.
      if (isOpen && !begun.has(index)) throw loading(record.url);
      if (record.kind !== 'source' || record.state !== 'waits') return record;
      const activation = this.#reached.get(record.script);
      if (activation === undefined) {
        throw new Refusal(
          `Cannot move yet: the module ${shortUrl(record.url)} waits for something that cannot be carried.`,
          { passing: true },
        );
      }
      return { ...record, activation };
    });
  }

  /** Writes them all down; their variables that are not exported follow with the first closure that sees them. */
  records(graph: Graph): ModuleRecord[] {
    const sources = new Map<LiveModule, SourceModule>();
    for (const live of this.#all) {
      const source = this.#source(graph, live);
      if (source !== undefined) sources.set(live, source);
    }
    return this.#all.map((live): ModuleRecord => {
      const { url, type } = live;
      const source = sources.get(live);
      if (source !== undefined) return this.#sourceRecord(graph, source);
      if (live.wrap.getStatus() === failed && isSource(graph.heap, live)) {
        return {
          ...{ url, type, kind: 'source', script: 0, context: 0, state: 'failed', requests: [] },
          error: graph.value(live.wrap.getError(), shortUrl(url)),
        };
      }
      if (url.startsWith('node:')) return { url, type, kind: 'builtin' };
      return {
        ...{ url, type, kind: 'values' },
        exports: Object.keys(live.namespace).map((name): [string, Value] => [
          name,
          graph.value(Reflect.get(live.namespace, name), name),
        ]),
      };
    });
  }

  /** undefined for modules that are not written in JavaScript modules of their own */
  #source(graph: Graph, live: LiveModule): SourceModule | undefined {
    const { heap } = graph;
    if (!isSource(heap, live) || live.wrap.getStatus() === failed) return undefined;
    const { snapshot } = heap;
    const node = moduleNode(heap, live);
    const generator = snapshot
      .edges(node)
      .map(({ to }) => to)
      .find((to) => snapshot.follow(to, 'parameters_and_registers') >= 0);
    if (generator === undefined) {
      throw new Refusal(
        `Cannot move yet: the module ${shortUrl(live.url)} keeps its code where it is not seen.`,
      );
    }
    const { $flickModule: origin } = live.wrap;
    const isDone = this.#isDone(live);
    let fn = isDone ? this.#functionOf(graph, live.url) : undefined;
    let top: Internals | undefined;
    if (!isDone || (fn === undefined && origin === undefined)) {
      // Finding it goes through the whole heap.
      top = graph.inspection.internals(heap.liveOf(generator) as object);
      fn = top.fields.get('[[GeneratorFunction]]') as object;
    }
    const text = fn === undefined ? '' : (graph.natives.script(fn) ?? '');
    const script =
      origin !== undefined || fn === undefined
        ? graph.scripts.again(origin?.script ?? { url: live.url, kind: 'module', source: text }, [])
        : graph.scripts.module(graph.natives.scriptId(fn), live.url, text);
    if (origin !== undefined) this.#places.set(origin, script);
    let state: SourceModule['state'] = 'done';
    // One that has waited is never said to be closed: nothing runs now, so that `running` means that it has ended.
    if (!isDone && top?.fields.get('[[GeneratorState]]') === 'suspended') {
      const { location } = top;
      const at = location === undefined ? -1 : offsetOf(text, location.line, location.column);
      const original = readOriginMark(text)?.toOriginal(at) ?? at;
      const waits =
        origin?.resumed === true || findTarget(moduleBody(script.tree).fn, original) !== undefined;
      if (!waits && at > 0) {
        throw new Refusal(`Cannot move yet: ${shortUrl(live.url)} stands in an unknown place.`, {
          passing: true,
        });
      }
      state = waits ? 'waits' : 'linked';
    }
    const source: SourceModule = { live, script, node, generator, state };
    if (state === 'waits' && origin?.resumed !== true) this.#activations.set(generator, source);
    return source;
  }

  #isDone({ wrap }: LiveModule): boolean {
    if (wrap.getStatus() !== evaluated) return false;
    const promise = wrap.evaluate(-1, false);
    return types.isPromise(promise) && this.#details(promise)[0] === 1;
  }

  /** Some function that the script with this URL made. */
  #functionOf(graph: Graph, url: string): object | undefined {
    if (this.#functions === undefined) {
      this.#functions = new Map();
      const seen = new Set<number>();
      for (const each of graph.inspection.heirs(Function.prototype)) {
        const found = typeof each === 'function' ? graph.heap.script(each) : undefined;
        if (found === undefined || seen.has(found.id)) continue;
        seen.add(found.id);
        // Two scripts of one name are told apart by nothing that is known here.
        this.#functions.set(
          found.url,
          this.#functions.has(found.url) ? undefined : (each as object),
        );
      }
    }
    return this.#functions.get(url);
  }

  #sourceRecord(graph: Graph, source: SourceModule): ModuleRecord {
    const { live, script, state, generator } = source;
    const { url, type, job, wrap } = live;
    const { snapshot } = graph.heap;
    let context = snapshot.follow(generator, 'context');
    while (context >= 0 && snapshot.follow(context, 'extension') !== source.node) {
      context = snapshot.follow(context, 'previous');
    }
    const values: Record<string, Value> = {};
    for (const [name, variable] of localExports(script.tree)) {
      const value = exported(live.namespace, name);
      if (script.tree.root.bindings.get(variable)?.kind === 'import') continue;
      values[variable] = value === undefined ? ['h'] : graph.value(value.value, variable);
    }
    const meta = this.#meta(graph, source);
    return {
      ...{ url, type, kind: 'source', script: script.index, state },
      context: graph.contexts.module(context, script, values),
      requests: this.#requests(source),
      ...(meta === undefined ? {} : { meta: graph.value(meta, 'import.meta') }),
      ...((wrap.$flickModule?.main ?? job.isMain === true) ? { main: true as const } : {}),
    };
  }

  #requests({ live }: SourceModule): [string, string, number][] {
    const { $flickModule: origin } = live.wrap;
    if (origin !== undefined) {
      return origin.requests.flatMap(([specifier, type, url, urlType]) => {
        const found = this.#all.find((each) => each.url === url && each.type === urlType);
        return found === undefined ? [] : [[specifier, type, found.index]];
      });
    }
    const { linked } = live.job;
    const jobs = types.isPromise(linked) ? this.#details(linked)[1] : linked;
    return live.wrap.getModuleRequests().map(({ specifier, attributes }, index) => {
      const job = (jobs as ArrayLike<Job> | undefined)?.[index];
      const found = job === undefined ? undefined : this.#byJob.get(job);
      if (found === undefined) throw loading(specifier);
      return [specifier, attributes?.type ?? implicitType, found.index];
    });
  }

  /** `import.meta`, which exists from the first time on that it is asked for. */
  #meta(graph: Graph, { live, node }: SourceModule): object | undefined {
    const { heap } = graph;
    const { snapshot } = heap;
    const found = snapshot
      .edges(node)
      .find(({ to }) => snapshot.type(to) === 'object' && snapshot.name(to) === 'Object');
    const meta = found === undefined ? undefined : heap.liveOf(found.to);
    if (typeof meta !== 'object' || meta === null) return undefined;
    this.#metas.set(meta, live.index);
    const resolve = Reflect.getOwnPropertyDescriptor(meta, 'resolve')?.value as unknown;
    const isOurs =
      typeof resolve === 'function' &&
      heap.script(resolve)?.url.startsWith('node:internal/') === true;
    if (isOurs) this.#resolvers.set(resolve, live.index);
    return meta;
  }
}

/** A module and all that it imports. */
function reachable(records: readonly ModuleRecord[], from: number): Set<number> {
  const found = new Set<number>();
  const visit = (index: number): void => {
    const record = records[index];
    if (record === undefined || found.has(index)) return;
    found.add(index);
    if (record.kind === 'source') for (const [, , next] of record.requests) visit(next);
  };
  visit(from);
  return found;
}

function loading(url: string): Refusal {
  return new Refusal(`Cannot move yet: the module ${shortUrl(url)} is being loaded.`, {
    passing: true,
  });
}

/** What a module exports under a name; undefined while that is not initialized. */
function exported(namespace: object, name: string): { readonly value: unknown } | undefined {
  try {
    return { value: Reflect.get(namespace, name) as unknown };
  } catch {
    return undefined;
  }
}

/** Of the module that a namespace belongs to. */
function moduleNode(heap: Heap, { namespace }: LiveModule): number {
  const { snapshot } = heap;
  const edge = snapshot
    .edges(heap.nodeOf(namespace))
    .find(({ to }) => /^system \/ (SourceText|Synthetic)Module$/.test(snapshot.name(to)));
  return edge?.to ?? -1;
}

function isSource(heap: Heap, live: LiveModule): boolean {
  const node = moduleNode(heap, live);
  if (node < 0) throw new Refusal(`The module ${shortUrl(live.url)} is of an unknown kind.`);
  return heap.snapshot.name(node).endsWith('SourceTextModule');
}

type LoadCache = ReadonlyMap<string, Readonly<Record<string, Job | (() => unknown)>>>;

/** The cache of a program that has used the loader of ES modules; asking for the loader would make it. */
function loadCache(inspection: Inspection, internals: NodeInternals): LoadCache {
  const get = internals.require('internal/modules/esm/loader')['getOrInitializeCascadedLoader'];
  for (const { object } of inspection.internals(get as object).scopes) {
    const loader = Reflect.getOwnPropertyDescriptor(object, 'cascadedLoader')?.value as
      { loadCache?: LoadCache } | undefined;
    if (loader?.loadCache !== undefined) {
      return new Map(Map.prototype.entries.call(loader.loadCache) as never);
    }
  }
  return new Map();
}
