import { Module } from 'node:module';
import { channel, hasSubscribers, tracingChannel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { Server as HttpServer } from 'node:http';
import { Server as NetServer, Socket } from 'node:net';
import { Stream } from 'node:stream';
import type { HostState, KindRecord, Value } from '../capsule/format.ts';
import { makerOf } from '../capture/coreClasses.ts';
import type { Graph } from '../capture/graph.ts';
import { consoleState } from './consoles.ts';
import { userListeners } from './listeners.ts';
import { liveTimers, type LiveTimer } from './liveTimers.ts';
import { AdapterTable } from './registry.ts';
import { plainClasses } from './plainClasses.ts';
import { isUserFunction } from '../capture/functions.ts';
import { Refusal } from '../capture/refusal.ts';

interface LiveImmediate {
  _onImmediate: unknown;
  _argv: unknown[] | undefined;
  _destroyed: boolean;
  _idleNext: LiveImmediate | null;
  hasRef(): boolean;
}

const serverSettings = [
  'timeout',
  'keepAliveTimeout',
  'headersTimeout',
  'requestTimeout',
  'maxHeadersCount',
  'maxRequestsPerSocket',
  'maxConnections',
];

const ordinaryClasses = [
  ...[Object, Function, Array, Map, Set, WeakMap, WeakSet, WeakRef, Promise, RegExp, Date],
  ...[String, Number, Boolean, Symbol, BigInt, ArrayBuffer, SharedArrayBuffer, DataView],
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
ordinary.add(Object.getPrototypeOf(tracingChannel('flick')) as object);
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
  readonly adapters = new AdapterTable();

  constructor(own: ReadonlySet<unknown>, timeout: object, immediate: object) {
    this.own = own;
    this.timeoutProto = Object.getPrototypeOf(timeout) as object;
    this.immediateProto = Object.getPrototypeOf(immediate) as object;
  }

  /** Whether objects with this builtin prototype have no state but their properties. */
  isOrdinary(proto: object, object: object): boolean {
    if (ordinary.has(proto) || plainClasses().has(proto)) return true;
    // What inherits from a class of emitters and was never made by it: the prototype of a class derived from it.
    return EventEmitter.prototype.isPrototypeOf(proto) && !Object.hasOwn(object, '_events');
  }
}

export function hostRecord(graph: Graph, object: object): KindRecord | undefined {
  if (typeof object === 'function') return undefined;
  const proto = Object.getPrototypeOf(object) as object | null;
  const adapter = graph.hosts.adapters.of(proto);
  if (adapter?.record !== undefined && makerOf(object) === undefined)
    return adapter.record(graph, object);
  if (proto === graph.hosts.timeoutProto)
    return timeoutRecord(graph, object as unknown as LiveTimer);
  if (proto === graph.hosts.immediateProto)
    return immediateRecord(graph, object as unknown as LiveImmediate);
  if (proto === Module.prototype) return moduleRecord(graph, object as NodeJS.Module);
  const stream = standardStream(object);
  if (stream !== undefined) return streamRecord(graph, stream);
  const topic = channelName(object);
  if (topic !== undefined)
    return { k: 'host', host: 'channel', state: { name: graph.value(topic, 'name') } };
  if (object instanceof NetServer) return serverRecord(graph, object);
  return undefined;
}

/** The name of a diagnostics channel; undefined for other objects. */
function channelName(object: object): string | symbol | undefined {
  if (!(object instanceof channelClass) || !Object.hasOwn(object, 'name')) return undefined;
  const { name } = object as { name: string | symbol };
  return channel(name) === (object as unknown) && !hasSubscribers(name) ? name : undefined;
}

function timeoutRecord(graph: Graph, timer: LiveTimer): KindRecord {
  const { _idleStart: start, _idleTimeout: idle, _repeat: repeat } = timer;
  const isActive = !timer._destroyed && timer._idlePrev !== null;
  return {
    k: 'host',
    host: 'timeout',
    state: {
      callback: graph.value(timer._onTimeout, 'callback'),
      args: (timer._timerArgs ?? []).map((each, index) => graph.value(each, `argument ${index}`)),
      repeat: repeat,
      idle,
      elapsed: now(graph) - start,
      active: isActive,
      ref: timer.hasRef(),
    },
  };
}

function immediateRecord(graph: Graph, immediate: LiveImmediate): KindRecord {
  return {
    k: 'host',
    host: 'immediate',
    state: {
      callback: graph.value(immediate._onImmediate, 'callback'),
      args: (immediate._argv ?? []).map((each, index) => graph.value(each, `argument ${index}`)),
      active: !immediate._destroyed,
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
      children: module.children.map((each, index) => graph.value(each, `child ${index}`)),
    },
  };
}

function standardStream(object: object): 'stdin' | 'stdout' | 'stderr' | undefined {
  if (!(object instanceof Object) || !('fd' in object) || !('on' in object)) return undefined;
  const names = ['stdin', 'stdout', 'stderr'] as const;
  const name = typeof object.fd === 'number' ? names[object.fd] : undefined;
  return name !== undefined && process[name] === (object as unknown) ? name : undefined;
}

function serverRecord(graph: Graph, server: NetServer): KindRecord {
  const isHttp = server instanceof HttpServer;
  const fresh: object = isHttp ? new HttpServer() : new NetServer();
  if (Object.getPrototypeOf(server) !== Object.getPrototypeOf(fresh)) {
    throw graph.refuse('a server of a kind that cannot be carried');
  }
  const address = server.address();
  if (typeof address === 'string') throw graph.refuse('a server on a pipe');
  const listeners = userListeners(graph, server);
  const known = new Set(Reflect.ownKeys(fresh));
  const record: KindRecord = {
    k: 'host',
    host: isHttp ? 'httpServer' : 'netServer',
    state: {
      listening: server.listening,
      address: address === null ? null : address.address,
      port: address === null ? null : address.port,
      listeners,
      settings: serverSettings
        .filter((key) => key in server)
        .map((key): [Value, Value] => [key, graph.value(Reflect.get(server, key), key)]),
    },
  };
  const props = graph.properties(
    server,
    (key) => known.has(key) || typeof key === 'symbol' || /^(_|listening$)/.test(key),
  );
  if (props.length > 0) record.props = props;
  return record;
}

function now(graph: Graph): number {
  const clock = graph.internals.binding('timers')['getLibuvNow'] as () => number;
  return clock();
}

/** What the event loop holds for the program. */
export function hostRoots(graph: Graph): Record<string, HostState> {
  return {
    timers: { list: timers(graph) },
    immediates: { list: immediates(graph) },
    servers: { list: handles(graph) },
    streams: { list: standardStreams(graph) },
    process: processState(graph),
    console: consoleState(graph, console),
  };
}

function timers(graph: Graph): Value[] {
  const found = [...liveTimers(graph.internals)].filter(
    (each) => !graph.hosts.own.has(each) && isPrograms(graph, each),
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

function immediates(graph: Graph): Value[] {
  const { immediateQueue } = graph.internals.require('internal/timers') as {
    immediateQueue: { head: LiveImmediate | null };
  };
  const found: LiveImmediate[] = [];
  const own = [...graph.hosts.own].find(
    (each) => Object.getPrototypeOf(each) === graph.hosts.immediateProto,
  );
  // Those of this very turn hang on the engine's own.
  for (const first of [
    (own as LiveImmediate | undefined)?._idleNext ?? null,
    immediateQueue.head,
  ]) {
    for (let each = first; each !== null; each = each._idleNext) {
      if (!graph.hosts.own.has(each) && !each._destroyed && !found.includes(each)) found.push(each);
    }
  }
  return found.map((each) => graph.value(each, 'an immediate'));
}

function handles(graph: Graph): Value[] {
  const servers: Value[] = [];
  const active = (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles();
  for (const handle of active) {
    if (handle instanceof NetServer) servers.push(graph.value(handle, 'a server'));
    else if (handle instanceof Socket) socket(handle);
    else if (standardStream(handle) === undefined) {
      throw new Refusal(
        `Cannot move yet: the program holds a ${handle.constructor.name}, which cannot be carried.`,
        { hint: 'Close it before the move.' },
      );
    }
  }
  return servers;
}

/** Connections of servers that wait for the next request are closed with the process; all others are in the way. */
function socket(handle: Socket): void {
  if (standardStream(handle) !== undefined) return;
  const { server, parser } = handle as Socket & {
    server?: unknown;
    parser?: { incoming?: unknown } | null;
  };
  const isIdle =
    server instanceof HttpServer &&
    (parser?.incoming ?? null) === null &&
    handle.writableLength === 0;
  if (isIdle) return;
  throw new Refusal(
    server === undefined || server === null
      ? `Cannot move yet: a connection to ${handle.remoteAddress ?? 'another process'}:${handle.remotePort ?? '?'} is open.`
      : 'Cannot move yet: a request is being answered, or a connection is open.',
    { passing: true, hint: 'Move when the connection is closed.' },
  );
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
  if (stdin.readableFlowing === true && !listeners.some(([event]) => isReader(event))) {
    throw graph.refuse('read by something that cannot be carried');
  }
  record.state['encoding'] = stdin.readableEncoding;
  record.state['paused'] = stdin.readableFlowing === false && stdin.isPaused();
  return record;
}

function processState(graph: Graph): HostState {
  const listeners = userListeners(graph, process);
  return {
    listeners,
    env: Object.entries(process.env).map(([key, value]): [Value, Value] => [key, value ?? '']),
    exitCode: graph.value(process.exitCode, 'exitCode'),
    title: process.title,
    umask: process.umask(),
    uptime: process.uptime(),
  };
}
