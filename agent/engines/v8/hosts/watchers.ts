import type { EventEmitter } from 'node:events';
import { corePath, resolveBuiltin } from '../capsule/builtins.ts';
import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import type { NodeInternals } from '../capture/internals.ts';
import { wordIn } from '../capture/processMemory.ts';
import {
  describeHost,
  hiddenValue,
  setHiddenValue,
  symbolOf,
  type Adapter,
  type HostRecord,
} from './adapter.ts';
import { addedListeners, addListeners } from './listeners.ts';
import { loadedInternal, needInternal, type Maker } from './loaded.ts';

const module = 'internal/fs/watchers';

interface LiveHandle {
  /** Of those that have to be started. */
  readonly initialized?: boolean;
  onchange: (this: unknown, status: number, stats: unknown) => void;
  getAsyncId(): number;
  hasRef(): boolean;
}

interface LiveWatcher extends EventEmitter {
  _handle: LiveHandle | null;
  readonly _ignoreMatcher?: unknown;
  unref(): void;
}

/** A handle as a report of Node.js shows it. */
interface Reported {
  readonly type: string;
  readonly address: string;
  readonly filename?: string;
}

function reported(type: string): Reported[] {
  const { report } = process as unknown as {
    report: { excludeNetwork?: boolean; getReport(): { libuv: Reported[] } };
  };
  const before = report.excludeNetwork;
  // It would look up the names of everyone that the program is connected with.
  if (before !== undefined) report.excludeNetwork = true;
  try {
    return report.getReport().libuv.filter((each) => each.type === type);
  } finally {
    if (before !== undefined) report.excludeNetwork = before;
  }
}

const known = new WeakMap<Graph, Map<string, ReadonlyMap<object, Reported>>>();

/** What a handle watches is seen in a report only, which has them in the order in which they were made. */
function reportOf(graph: Graph, type: string, handle: LiveHandle): Reported {
  const types = known.get(graph) ?? new Map<string, ReadonlyMap<object, Reported>>();
  known.set(graph, types);
  let found = types.get(type);
  if (found === undefined) {
    const handles = graph.inspection.heirs(Object.getPrototypeOf(handle) as object) as LiveHandle[];
    // Native code must not be asked about what only inherits from a handle.
    const live = handles
      .filter((each) => hiddenValue(each, 'owner_symbol') !== undefined)
      .filter(({ initialized }) => initialized !== false);
    live.sort((one, other) => one.getAsyncId() - other.getAsyncId());
    const list = reported(type);
    const pairs = live.length === list.length ? live : [];
    found = new Map(pairs.map((each, index) => [each, list[index] as Reported] as const));
    types.set(type, found);
  }
  const own = found.get(handle);
  if (own?.filename === undefined) {
    throw graph.refuse('a watcher of which it is not known what it watches', { passing: true });
  }
  return own;
}

function makerIn(internals: NodeInternals, name: string): object | undefined {
  return (loadedInternal(internals, module)?.[name] as Maker | undefined)?.prototype as
    object | undefined;
}

function make(name: string, args: readonly unknown[]): LiveWatcher {
  const maker = needInternal(module)?.[name] as new (...args: readonly unknown[]) => LiveWatcher;
  return new maker(...args);
}

function watcherRecord(
  graph: Graph,
  watcher: LiveWatcher,
  host: string,
  type: string,
): [HostRecord, Reported | undefined] {
  const { _handle: handle } = watcher;
  const own = handle === null ? undefined : reportOf(graph, type, handle);
  const maker = watcher.constructor as new () => LiveWatcher;
  const fresh = new maker();
  const record: HostRecord = {
    k: 'host',
    host,
    state: {
      open: own !== undefined,
      ref: handle?.hasRef() === true,
      path: own?.filename ?? '',
      listeners: addedListeners(graph, watcher, fresh),
    },
  };
  return [describeHost(graph, watcher, record, fresh), own];
}

/** Begins to watch; where there is nothing to be watched the program is told so, if it listens. */
function begin(watcher: LiveWatcher, start: string, args: readonly unknown[]): void {
  const method = symbolOf(Object.getPrototypeOf(watcher) as object, start);
  try {
    Reflect.apply(Reflect.get(watcher, method ?? start) as () => void, watcher, args);
  } catch (error) {
    watcher._handle = null;
    const tell = (): unknown => watcher.listenerCount('error') > 0 && watcher.emit('error', error);
    process.nextTick(tell);
  }
}

/** What `fs.watch` gives: files and folders are watched by their paths, beginning with the move. */
export const fileWatchers: Adapter = {
  host: 'fileWatcher',
  prototypes: (internals) => [makerIn(internals, 'FSWatcher')],
  record(graph, object) {
    const watcher = object as LiveWatcher;
    if ((watcher._ignoreMatcher ?? null) !== null) {
      throw graph.refuse('a watcher that leaves some files out, which cannot be carried');
    }
    return watcherRecord(graph, watcher, 'fileWatcher', 'fs_event')[0];
  },
  shell: () => make('FSWatcher', []),
  start(world, object, { state }) {
    const watcher = object as LiveWatcher;
    if (state['open'] !== true) watcher._handle = null;
    else begin(watcher, 'kFSWatchStart', [state['path'], state['ref'] === true, false, 'utf8']);
    addListeners(world, watcher, state['listeners']);
  },
};

const counts = ['KFSStatWatcherRefCount', 'KFSStatWatcherMaxRefCount'];

/** What `fs.watchFile` gives. */
export const filePolls: Adapter = {
  host: 'filePoll',
  prototypes: (internals) => [makerIn(internals, 'StatWatcher')],
  record(graph, object) {
    const watcher = object as LiveWatcher;
    const [record, own] = watcherRecord(graph, watcher, 'filePoll', 'fs_poll');
    const interval = own === undefined ? 0 : intervalAt(graph, Number(own.address));
    if (interval === undefined) {
      throw graph.refuse('a watcher of a file, whose interval cannot be told here');
    }
    const values = counts.map((name) => hiddenValue(watcher, name) as number);
    Object.assign(record.state, {
      interval,
      counts: values,
      bigint: hiddenValue(watcher, 'kUseBigint') === true,
      status: hiddenValue(watcher, 'kOldStatus') as Value,
    });
    return record;
  },
  shell: (_world, { state }) => make('StatWatcher', [state['bigint']]),
  start(world, object, { state }) {
    const watcher = object as LiveWatcher;
    if (state['open'] === true) {
      const { path, ref, interval, status } = state;
      begin(watcher, 'kFSStatWatcherStart', [path, ref, interval]);
      setHiddenValue(watcher, 'kOldStatus', status);
      if (watcher._handle !== null) keepQuiet(watcher._handle, status);
      const all = resolveBuiltin(corePath('node:fs', 'statWatchers'));
      Map.prototype.set.call(all, path, watcher);
    }
    counts.forEach((name, index) => {
      setHiddenValue(watcher, name, (state['counts'] as number[])[index]);
    });
    addListeners(world, watcher, state['listeners']);
  },
};

/** That there is no such file, the program has been told. */
function keepQuiet(handle: LiveHandle, known: unknown): void {
  const { onchange } = handle;
  handle.onchange = function (status, stats) {
    handle.onchange = onchange;
    if (status >= 0 || status !== known) Reflect.apply(onchange, this, [status, stats]);
  };
}

/** Where libuv keeps what it knows of a poll, in bytes (uv_fs_poll_t, uv-common.h; struct poll_ctx, fs-poll.c). */
const contextAt = 96;
const intervalOffset = 12;

/** In ms; undefined where it cannot be read. */
function intervalAt({ hidden }: Graph, address: number): number | undefined {
  try {
    const context = hidden.process?.read(hidden.process.wordAt(address + contextAt), 16);
    // It leads back to its handle: by that it is known for what it is.
    return context !== undefined && wordIn(context, 0) === address
      ? context.readUInt32LE(intervalOffset)
      : undefined;
  } catch {
    return undefined;
  }
}
