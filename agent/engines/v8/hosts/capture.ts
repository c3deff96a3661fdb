import { Module } from 'node:module';
import { channel, hasSubscribers } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { Stream } from 'node:stream';
import type { HostState, Integrity, KindRecord, Value } from '../capsule/format.ts';
import { standsInFor } from '../capsule/standIns.ts';
import { isOwnTimer } from '../capture/answering.ts';
import { isCorePrototype, makerOf } from '../capture/coreClasses.ts';
import { awaitedSignals } from './abort.ts';
import type { Graph } from '../capture/graph.ts';
import type { NodeInternals } from '../capture/internals.ts';
import { interfaceOf } from './readlines.ts';
import { refuseHooks } from './asyncHooks.ts';
import { handles } from './handles.ts';
import { standardStream } from './standardStreams.ts';
import { consoleState } from './consoles.ts';
import { userListeners } from './listeners.ts';
import { immediateRecord, waitingImmediates, type LiveImmediate } from './immediates.ts';
import { laterCall } from './laterCalls.ts';
import { idCounter, liveTimers, ownOf, type LiveTimer } from './liveTimers.ts';
import { AdapterTable } from './registry.ts';
import { plainClasses } from './plainClasses.ts';
import { isUserFunction } from '../capture/functions.ts';

/** Of which the engine has its own, so that the program cannot change what they do. */
const ofProgram = ['Array', 'Map', 'Set', 'WeakMap', 'Number', 'Promise', 'String'].flatMap(
  (name): { readonly prototype: unknown }[] => {
    const value = Reflect.getOwnPropertyDescriptor(globalThis, name)?.value as unknown;
    return typeof value === 'function' ? [value] : [];
  },
);
const ordinaryClasses = [
  ...ofProgram,
  ...[Object, Function, WeakSet, WeakRef, RegExp, Date, Boolean, Symbol, BigInt],
  ...[ArrayBuffer, SharedArrayBuffer, DataView],
  ...[
    Error,
    RangeError,
    TypeError,
    SyntaxError,
    ReferenceError,
    EvalError,
    URIError,
    AggregateError,
  ],
  ...[Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array],
  ...[Float64Array, BigInt64Array, BigUint64Array, Uint8ClampedArray, Buffer, EventEmitter, Stream],
];
/** Prototypes of builtin classes whose instances show all they have, or are told by what they are made of. */
const ordinary = new Set<object>(ordinaryClasses.map(({ prototype }) => prototype as object));
const channelClass = channel('flick').constructor as new () => object;
for (const sample of [function* () {}, async function* () {}]) {
  for (let at: object | null = sample.prototype as object; at !== null;) {
    ordinary.add(at);
    at = Object.getPrototypeOf(at) as object | null;
  }
}

/** What the adapters must know of the process. */
export class HostWorld {
  readonly timeoutProto: object;
  readonly immediateProto: object;
  /** The engine's own timers and the like; they are not the program's. */
  readonly own: ReadonlySet<unknown>;
  readonly adapters: AdapterTable;
  readonly #plain: ReadonlySet<object>;
  #now: number | undefined;
  /** What the program does without from now on, by sentence with its number. */
  readonly #dropped = new Map<string, { many: (count: number) => string; count: number }>();
  /** When the sockets of the program were seen for the first time, in ms; kept from one try to the next. */
  readonly seenSockets: WeakMap<object, number>;

  constructor(
    own: ReadonlySet<unknown>,
    timeout: object,
    immediate: object,
    seenSockets: WeakMap<object, number>,
    internals: NodeInternals,
  ) {
    this.adapters = new AdapterTable(internals);
    this.#plain = plainClasses(internals);
    this.own = own;
    this.seenSockets = seenSockets;
    this.timeoutProto = Object.getPrototypeOf(timeout) as object;
    this.immediateProto = Object.getPrototypeOf(immediate) as object;
  }

  /** The one moment that all timers are looked at, however long the capture takes, in ms of the event loop's clock. */
  now(internals: NodeInternals): number {
    this.#now ??= (internals.binding('timers')['getLibuvNow'] as () => number)();
    return this.#now;
  }

  drop(one: string, many: (count: number) => string): void {
    const known = this.#dropped.get(one);
    this.#dropped.set(one, { many, count: (known?.count ?? 0) + 1 });
  }

  get dropped(): string[] {
    return [...this.#dropped].map(([one, { many, count }]) => (count === 1 ? one : many(count)));
  }

  /** Whether objects with this builtin prototype have no state but their properties. */
  isOrdinary(proto: object, object: object): boolean {
    if (ordinary.has(proto) || this.#plain.has(proto)) return true;
    // What inherits from a class of emitters and was never made by it: the prototype of a class derived from it.
    return EventEmitter.prototype.isPrototypeOf(proto) && !Object.hasOwn(object, '_events');
  }
}

export function hostRecord(graph: Graph, object: object): KindRecord | undefined {
  if (typeof object === 'function') return undefined;
  const proto = Object.getPrototypeOf(object) as object | null;
  const adapter = graph.hosts.adapters.of(proto, (each) => isCorePrototype(graph, each));
  const stream = standardStream(object);
  if (stream !== undefined) return streamRecord(graph, stream);
  if (adapter?.record !== undefined && makerOf(object) === undefined) {
    const record = adapter.record(graph, object);
    const integrity = integrityOf(object);
    if (integrity !== undefined) record.integrity = integrity;
    return record;
  }
  const missing = proto === Object.prototype ? undefined : standsInFor(object);
  if (missing !== undefined) return { k: 'builtin', paths: missing };
  if (proto === graph.hosts.timeoutProto)
    return timeoutRecord(graph, object as unknown as LiveTimer);
  if (proto === graph.hosts.immediateProto) return immediateRecord(graph, object as LiveImmediate);
  if (proto === Module.prototype) return moduleRecord(graph, object as NodeJS.Module);
  const topic = channelName(object);
  if (topic !== undefined)
    return { k: 'host', host: 'channel', state: { name: graph.value(topic, 'name') } };
  return undefined;
}

function integrityOf(object: object): Integrity | undefined {
  if (Object.isExtensible(object)) return undefined;
  return Object.isFrozen(object) ? 'frozen' : Object.isSealed(object) ? 'sealed' : 'closed';
}

/** The name of a diagnostics channel; undefined for other objects. */
function channelName(object: object): string | symbol | undefined {
  if (!(object instanceof channelClass) || !Object.hasOwn(object, 'name')) return undefined;
  const { name } = object as { name: string | symbol };
  return channel(name) === (object as unknown) && !hasSubscribers(name) ? name : undefined;
}

function timeoutRecord(graph: Graph, timer: LiveTimer): KindRecord {
  const { _idleStart: start, _idleTimeout: idle, _repeat: repeat } = timer;
  return {
    k: 'host',
    host: 'timeout',
    state: {
      ...laterCall(graph, timer, timer._onTimeout, timer._timerArgs),
      repeat: repeat,
      idle,
      elapsed: graph.hosts.now(graph.internals) - start,
      ref: timer.hasRef(),
      ...(ownOf(timer, 'kHasPrimitive') === true
        ? { id: ownOf(timer, 'asyncId') as number }
        : undefined),
    },
  };
}

function moduleRecord(graph: Graph, module: NodeJS.Module): KindRecord {
  return {
    k: 'host',
    host: 'module',
    state: {
      id: module.id,
      filename: module.filename,
      path: module.path,
      loaded: module.loaded,
      paths: module.paths,
      main: process.mainModule === module,
      exports: graph.value(module.exports, 'exports'),
      parent: graph.value(Reflect.get(module, 'parent'), 'parent'),
      children: module.children.map((each, index) => graph.value(each, `child ${index}`)),
    },
  };
}

/** What the event loop holds for the program. */
export function hostRoots(graph: Graph): Record<string, HostState> {
  refuseHooks(graph);
  return {
    timers: { list: timers(graph), lastId: idCounter(graph.internals).last },
    immediates: waitingImmediates(graph),
    handles: { list: handles(graph) },
    signals: { list: awaitedSignals(graph) },
    streams: { list: standardStreams(graph) },
    process: processState(graph),
    console: consoleState(graph, console),
  };
}

function timers(graph: Graph): Value[] {
  const found = [...liveTimers(graph.internals)].filter(
    (each) => !graph.hosts.own.has(each) && !isOwnTimer(each) && isPrograms(graph, each),
  );
  // In the order in which they were started, which is the order of those that are due together.
  found.sort((a, b) => a._idleStart - b._idleStart);
  return found.map((each) => graph.value(each, 'a timer'));
}

/** Timers that Node.js runs for itself come back with what they are for. */
function isPrograms(graph: Graph, timer: LiveTimer): boolean {
  if (Object.getPrototypeOf(timer) !== graph.hosts.timeoutProto) return false;
  const callback = timer._onTimeout;
  if (typeof callback !== 'function') return false;
  if (isUserFunction(graph, callback)) return true;
  const script = graph.heap.script(callback);
  const isCore = script !== undefined || callback.name.startsWith('bound ');
  return !isCore || timer.hasRef();
}

/** Those that the program has used: asking for one that it has not would make it. */
function standardStreams(graph: Graph): Value[] {
  const found: Value[] = [];
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    const getter = Reflect.getOwnPropertyDescriptor(process, name)?.get;
    if (getter === undefined) continue;
    const made = graph.inspection
      .internals(getter)
      .scopes.map(({ object }) => Reflect.getOwnPropertyDescriptor(object, name)?.value as unknown)
      .find((each) => each !== undefined);
    if (made !== undefined) found.push(graph.value(made, `process.${name}`));
  }
  return found;
}

function streamRecord(graph: Graph, name: 'stdin' | 'stdout' | 'stderr'): KindRecord {
  const listeners = userListeners(graph, process[name]);
  const record: Extract<KindRecord, { k: 'host' }> = {
    k: 'host',
    host: 'stream',
    state: { name, listeners },
  };
  if (name !== 'stdin') return record;
  const { stdin } = process;
  if (stdin.readableLength > 0) {
    throw graph.refuse('read already, but not handed on', { passing: true });
  }
  const isReader = (event: Value): boolean => event === 'data' || event === 'readable';
  const readers = stdin
    .rawListeners('data')
    .flatMap((each) => interfaceOf(graph, each) ?? [])
    .map((each) => graph.value(each, 'readline'));
  record.state['readers'] = readers;
  const isRead = readers.length > 0 || listeners.some(([event]) => isReader(event));
  if (stdin.readableFlowing === true && !isRead) {
    throw graph.refuse('read by something that cannot be carried');
  }
  record.state['encoding'] = stdin.readableEncoding;
  record.state['paused'] = stdin.readableFlowing === false && stdin.isPaused();
  return record;
}

/** What programs set on `process` itself. */
const processSettings = ['_maxListeners', 'noDeprecation', 'throwDeprecation', 'traceDeprecation'];

function processState(graph: Graph): HostState {
  const listeners = userListeners(graph, process);
  return {
    listeners,
    env: Object.entries(process.env).map(([key, value]): [Value, Value] => [key, value ?? '']),
    settings: processSettings
      .filter((key) => Object.hasOwn(process, key))
      .map((key): [Value, Value] => [key, graph.value(Reflect.get(process, key), key)]),
    exitCode: graph.value(process.exitCode, 'exitCode'),
    umask: process.umask(),
    // What nobody has set is the command, which is another one on the target.
    ...(process.title === process.argv0 ? {} : { title: process.title }),
  };
}
