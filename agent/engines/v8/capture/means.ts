import type { Gate } from '../capsule/gate.ts';
import { Module } from 'node:module';
import { Builtins, builtinSymbols, type BuiltinList } from '../capsule/builtins.ts';
import type { Roots, Value } from '../capsule/format.ts';
import { RecordLines } from '../capsule/recordLines.ts';
import type { Spool } from '../capsule/spool.ts';
import { navigatorPath } from '../capsule/standIns.ts';
import { HostWorld, hostRoots } from '../hosts/capture.ts';
import { isLoaded } from '../hosts/loaded.ts';
import type { Trees } from '../language/readTree.ts';
import { changesOfBuiltins, knownProperties } from './changes.ts';
import { Graph } from './graph.ts';
import { Heap } from './heap.ts';
import { Hidden } from './hidden.ts';
import { Inspection } from './inspection.ts';
import { nodeInternals, type NodeInternals } from './internals.ts';
import { pendingGlobals } from './lazyGlobals.ts';
import { LiveModules } from './modules.ts';
import { nativeFunctions } from './natives.ts';
import { Originals } from './originals.ts';
import { OwnMemory } from './ownMemory.ts';
import { ProcessMemory, understood } from './processMemory.ts';
import { shortUrl } from './scripts.ts';

/** What is got ready before the program stands still, and serves all tries. */
export interface Means {
  /** What a fresh process has built in. */
  readonly list: BuiltinList;
  /** The global object of a realm in which nothing is changed. */
  readonly realm: object;
  readonly inspection: Inspection;
  readonly internals: NodeInternals;
  /** Undefined where it cannot be read. */
  readonly process: ProcessMemory | undefined;
  /** What tells of contexts; undefined also where it does not tell enough of this program. */
  memory: OwnMemory | undefined;
  /** Scripts that have been read. */
  readonly trees: Trees;
  /** Sockets that were there at an earlier try, and when, in ms. */
  readonly seenSockets: WeakMap<object, number>;
  /** Where the program will stand still, while a try is under way. */
  gate: Gate | undefined;
  dispose(): void;
}

export function prepare(list: BuiltinList, realm: object): Means {
  const inspection = new Inspection();
  inspection.listScripts();
  const internals = nodeInternals(inspection);
  const memory = ProcessMemory.open();
  knownProperties(list);
  return {
    ...{ list, realm, inspection, internals, process: memory },
    memory: understood(memory, (each) => new OwnMemory(each)),
    trees: new Map(),
    seenSockets: new WeakMap<object, number>(),
    gate: undefined,
    dispose: () => {
      inspection.dispose();
      memory?.close();
    },
  };
}

/** What only the memory of the process shows. */
export function hiddenOf({ process: memory, internals }: Means): Hidden {
  return new Hidden(memory, internals.binding('task_queue')['runMicrotasks'] as () => void);
}

/** @param own what of the process is the engine's, first of all the immediate under way */
export function hostWorld(own: Set<unknown>, { internals, seenSockets }: Means): HostWorld {
  const timeout = setTimeout(() => undefined, 1e6);
  clearTimeout(timeout);
  const [immediate] = [...own];
  own.add(timeout);
  return new HostWorld(own, timeout, immediate as object, seenSockets, internals);
}

/**
 * To be followed by `forgetNatives`.
 * @param memory held; undefined where a snapshot of the heap has to do
 */
export function newGraph(
  { list, realm, inspection, internals, trees }: Means,
  memory: OwnMemory | undefined,
  hosts: HostWorld,
  hidden: Hidden,
  spool: Spool,
): Graph {
  const natives = nativeFunctions();
  // It may know what the program has changed since.
  inspection.forget();
  const modules = new LiveModules(inspection, internals);
  const heap = new Heap(inspection, natives, memory);
  const isCore = (value: object): boolean =>
    typeof value !== 'function' || (heap.script(value)?.url.startsWith('node:') ?? true);
  const builtins = new Builtins(list, isCore, pendingGlobals(list, realm));
  const originals = new Originals(heap, builtins, list, realm);
  const coreSymbols = builtinSymbols(builtins);
  const graph = new Graph({
    ...{ originals, heap, inspection, natives, internals, builtins, coreSymbols, trees, hosts },
    ...{ hidden, modules, objects: new RecordLines(spool) },
  });
  // Not among the builtins, since what they hold is the program's.
  for (const name of ['env', 'argv', 'execArgv'] as const)
    graph.named(process[name], [`sample process\n.${name}`]);
  const navigator = navigatorOf(builtins);
  if (navigator !== undefined) graph.named(navigator, [navigatorPath]);
  // V8 answers with that of the realm which asks what an `arguments` iterates with.
  const { values } = (realm as typeof globalThis).Array.prototype;
  graph.named(values, ['global\n.Array\n.prototype\n.values']);
  return graph;
}

/** What Node.js from 21 on has among its globals; undefined when the program has replaced it or never asked for it. */
function navigatorOf({ indexOf }: Builtins): object | undefined {
  const getter = Reflect.getOwnPropertyDescriptor(globalThis, 'navigator')?.get;
  const isOurs = getter !== undefined && indexOf.has(getter);
  if (!isOurs || !isLoaded('internal/navigator')) return undefined;
  return Reflect.apply(getter, globalThis, []) as object;
}

/** Where a program begins. What it leads to is visited by the graph. */
export function rootsOf(graph: Graph, list: BuiltinList): Omit<Roots, 'files'> {
  const esm = graph.modules.records(graph);
  const hosts = hostRoots(graph);
  const cache = Reflect.get(Module, '_cache') as Record<string, object>;
  const modules = Object.entries(cache).map(([name, module]): [string, Value] => [
    name,
    graph.value(module, shortUrl(name)),
  ]);
  const known = new Set(list.globals);
  const globals = graph.properties(globalThis, (key) => {
    // The connections that `fetch` keeps are made again when they are needed.
    if (typeof key === 'symbol' && key.description?.startsWith('undici.') === true) return true;
    return known.has(typeof key === 'symbol' ? `@${key.description ?? ''}` : `.${key}`);
  });
  return { esm, modules, globals, ...changesOfBuiltins(graph, list), hosts };
}
