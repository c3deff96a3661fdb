import { channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { Module } from 'node:module';
import { deprecate, promisify } from 'node:util';
import type { HostState, Integrity, PropertyRecord, Value } from '../capsule/format.ts';
import type { NodeInternals } from '../capture/internals.ts';
import { RebuildError } from '../rebuild/code.ts';
import { giveFrame } from '../rebuild/asyncFrames.ts';
import type { World } from '../rebuild/world.ts';
import type { HostRecord } from './adapter.ts';
import { restoreConsole } from './consoles.ts';
import { restoreImmediates } from './immediates.ts';
import { calledLater, frameIn } from './laterCalls.ts';
import { idCounter, setOwn, type LiveTimer } from './liveTimers.ts';
import { adapterNamed } from './registry.ts';

/** The objects of Node.js that stand for what its event loop and its files do, made again without anything going on yet. */
export function hostShell(world: World, record: HostRecord, id: number): unknown {
  const { host, state } = record;
  const adapter = adapterNamed(host);
  if (adapter !== undefined) return adapter.shell(world, record, id);
  switch (host) {
    case 'timeout': {
      const timer = setTimeout(() => undefined, 2 ** 30);
      clearTimeout(timer);
      // Ending it has taken its own away.
      giveFrame(world, frameIn(state), timer);
      return timer;
    }
    case 'immediate': {
      const immediate = setImmediate(() => undefined);
      clearImmediate(immediate);
      return immediate;
    }
    case 'module': {
      const module = new Module(String(state['id']));
      Object.assign(module, {
        filename: state['filename'],
        path: state['path'],
        loaded: state['loaded'],
        paths: state['paths'],
      });
      return module;
    }
    case 'require':
      return world.modules.requireOf(world.value(state['module']) as NodeJS.Module);
    case 'resolve':
      return world.modules.resolver(state['module'] as number);
    case 'stream': {
      const name = state['name'];
      if (name === 'stdin' || name === 'stdout' || name === 'stderr') return process[name];
      break;
    }
    case 'deprecated':
      return deprecate(
        world.value(state['fn']) as () => void,
        world.value(state['msg']) as string,
        world.value(state['code']) as string,
      );
    case 'promisified':
      return promisify(world.value(state['original']) as () => void);
    case 'channel':
      return channel(world.value(state['name']) as string);
    case 'once':
      return onceWrapper(
        world.value(state['target']) as object,
        world.value(state['type']) as string,
        world.value(state['listener']) as () => void,
      );
    default:
  }
  throw new RebuildError(`an object of the kind ${host} is not known here`);
}

/** What `once` would add to an emitter, without adding it. */
function onceWrapper(target: object, type: string, listener: () => void): unknown {
  let wrapper: unknown;
  const take = (_type: string, made: unknown): void => {
    wrapper = made;
  };
  const own = Reflect.getOwnPropertyDescriptor(target, 'on');
  Object.defineProperty(target, 'on', { value: take, configurable: true });
  EventEmitter.prototype.once.call(target as EventEmitter, type, listener);
  Reflect.deleteProperty(target, 'on');
  if (own !== undefined) Object.defineProperty(target, 'on', own);
  return wrapper;
}

interface TimerInternals {
  insert(timer: object, after: number, start: number): void;
  incRefCount(): void;
  knownTimersById: Record<number, unknown>;
}

/** Gives objects of Node.js what belongs into them. */
export function fillHosts(world: World): void {
  for (const [id, record] of world.hosts())
    adapterNamed(record.host)?.fill?.(world, world.get(id) as object, record);
}

/** @throws {RebuildError} when the device denies something that the program had */
export function reserveHosts(world: World): void {
  for (const [id, record] of world.hosts())
    adapterNamed(record.host)?.reserve?.(world, world.get(id) as object, record);
}

/**
 * Lets everything go on: from here on the program runs.
 * @param running the immediate in which this is done, as the capture was
 */
export function goLive(world: World, internals: NodeInternals, running: object): void {
  const { hosts, modules, globals, changed, removed, closed } = world.capsule.roots;
  restoreModules(world, modules);
  for (const record of globals) restoreProperty(world, globalThis, record);
  for (const [holder, record] of changed)
    restoreProperty(world, world.value(holder) as object, record);
  for (const [holder, key] of removed)
    Reflect.deleteProperty(world.value(holder) as object, world.value(key) as string);
  for (const each of closed) Object.preventExtensions(world.value(each));
  restoreProcess(world, hosts['process'] ?? {});
  restoreConsole(console, hosts['console'] ?? {});
  for (const each of list(hosts['streams'])) restoreStream(world, each);
  restoreTimers(world, internals, hosts['timers'] ?? {});
  restoreImmediates(world, internals, hosts['immediates'] ?? {}, running);
  for (const [id, record] of world.hosts())
    adapterNamed(record.host)?.start?.(world, world.get(id) as object, record, internals);
  // Last, since what they are given on the way are properties too.
  for (const [id, { integrity }] of world.hosts())
    if (integrity !== undefined) close[integrity](world.get(id));
}

const close: Readonly<Record<Integrity, (object: unknown) => void>> = {
  closed: Object.preventExtensions,
  sealed: Object.seal,
  frozen: Object.freeze,
};

function restoreProperty(world: World, holder: object, record: PropertyRecord): void {
  const attributes = { enumerable: (record[1] & 2) !== 0, configurable: (record[1] & 4) !== 0 };
  Object.defineProperty(
    holder,
    world.value(record[0]) as string | symbol,
    record.length === 3
      ? { ...attributes, value: world.value(record[2]), writable: (record[1] & 1) !== 0 }
      : {
          ...attributes,
          get: world.value(record[2]) as () => unknown,
          set: world.value(record[3]) as () => void,
        },
  );
}

function list(state: HostState | undefined): Value[] {
  return (state?.['list'] ?? []) as Value[];
}

function restoreModules(world: World, modules: readonly [string, Value][]): void {
  const cache = Reflect.get(Module, '_cache') as Record<string, unknown>;
  for (const key of Object.keys(cache)) Reflect.deleteProperty(cache, key);
  // A program that began with an ES module has no main module of CommonJS.
  Reflect.deleteProperty(process, 'mainModule');
  world.capsule.objects.forEach((_, id) => {
    const record = world.kind(id);
    if (record?.k !== 'host' || record.host !== 'module') return;
    const module = world.get(id) as NodeJS.Module;
    module.exports = world.value(record.state['exports']);
    module.children = ((record.state['children'] ?? []) as Value[]).map(
      (each) => world.value(each) as NodeJS.Module,
    );
    Reflect.set(module, 'parent', world.value(record.state['parent']));
    if (record.state['main'] === true) process.mainModule = module;
  });
  for (const [name, module] of modules) cache[name] = world.value(module);
  // What `createRequire` made before knew another main module.
  world.capsule.objects.forEach((_, id) => {
    const record = world.kind(id);
    if (record?.k !== 'host' || record.host !== 'require') return;
    Reflect.set(world.get(id) as object, 'main', process.mainModule);
  });
}

function restoreProcess(world: World, state: HostState): void {
  const { argv, execArgv } = world.capsule.header;
  process.argv.splice(0, process.argv.length, ...argv);
  process.execArgv.splice(0, process.execArgv.length, ...execArgv);
  const env = state['env'] as [string, string][] | undefined;
  if (env !== undefined) {
    const names = new Set(env.map(([name]) => name));
    for (const name of Object.keys(process.env))
      if (!names.has(name)) Reflect.deleteProperty(process.env, name);
    for (const [name, value] of env) process.env[name] = value;
  }
  if (typeof state['umask'] === 'number') process.umask(state['umask']);
  if (typeof state['title'] === 'string') process.title = state['title'];
  for (const [key, value] of (state['settings'] ?? []) as [string, Value][]) {
    Reflect.set(process, key, world.value(value));
  }
  process.exitCode = world.value(state['exitCode']) as number | undefined;
  for (const [name, listener] of (state['listeners'] ?? []) as [Value, Value][]) {
    process.on(world.value(name) as 'exit', world.value(listener) as () => void);
  }
}

function restoreTimers(world: World, internals: NodeInternals, state: HostState): void {
  const active = list(state);
  // What the program knows by its number must not be taken for something new.
  const counter = idCounter(internals);
  counter.last = Math.max(counter.last, Number(state['lastId'] ?? 0));
  const timers = internals.require('internal/timers') as unknown as TimerInternals;
  const clock = internals.binding('timers')['getLibuvNow'] as () => number;
  const now = clock();
  world.capsule.objects.forEach((_, id) => {
    const record = world.kind(id);
    if (record?.k !== 'host' || record.host !== 'timeout') return;
    const timer = world.get(id) as unknown as LiveTimer & Record<string | symbol, unknown>;
    const { callback, args } = calledLater(world, record.state);
    timer._onTimeout = callback;
    timer._timerArgs = args.length === 0 ? undefined : args;
    timer._repeat = record.state['repeat'] as number | null;
    timer._idleTimeout = record.state['idle'] as number;
  });
  for (const each of active) {
    const record = world.kind(world.idOf(each));
    if (record?.k !== 'host') continue;
    const timer = world.value(each) as LiveTimer & NodeJS.Timeout;
    timer._destroyed = false;
    const { idle, elapsed, ref, id } = record.state;
    timers.insert(timer, idle as number, now - (elapsed as number));
    setOwn(timer, 'refed', false);
    if (ref === true) timer.ref();
    if (typeof id === 'number') {
      setOwn(timer, 'kHasPrimitive', true);
      setOwn(timer, 'asyncId', id);
      timers.knownTimersById[id] = timer;
    }
  }
  // Node.js looks at all lists when any is due. This one is none of the program's, should that move on at once.
  if (active.length > 0) setTimeout(Function.prototype.bind(undefined) as () => void, 1).unref();
}

function restoreStream(world: World, value: Value): void {
  const record = world.kind(world.idOf(value));
  if (record?.k !== 'host') return;
  const stream = world.value(value) as NodeJS.ReadStream;
  const { encoding } = record.state;
  if (typeof encoding === 'string') stream.setEncoding(encoding as BufferEncoding);
  for (const [name, listener] of (record.state['listeners'] ?? []) as [Value, Value][]) {
    stream.on(world.value(name) as string, world.value(listener) as () => void);
  }
  if (record.state['paused'] === true) stream.pause();
}
