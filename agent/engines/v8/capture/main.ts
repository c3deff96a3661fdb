import { existsSync, readdirSync, readlinkSync, unlinkSync } from 'node:fs';
import { close as closeInspector } from 'node:inspector';
import { Module } from 'node:module';
import { writeAdvance, type Advance } from '../capsule/advance.ts';
import { Builtins, builtinSymbols, listBuiltins, type BuiltinList } from '../capsule/builtins.ts';
import {
  capsuleFormat,
  capsuleVersion,
  type Capsule,
  type ObjectRecord,
  type Roots,
  type Value,
} from '../capsule/format.ts';
import { Gate } from '../capsule/gate.ts';
import { beginPatience, capturePatience } from '../capsule/patience.ts';
import { writeCapsule } from '../capsule/write.ts';
import { HostWorld, hostRoots } from '../hosts/capture.ts';
import { refuseForeign } from '../hosts/handles.ts';
import { leaveSockets } from '../hosts/sockets.ts';
import type { Trees } from '../language/readTree.ts';
import { changesOfBuiltins } from './changes.ts';
import { Graph } from './graph.ts';
import { Heap, SnapshotNeeded } from './heap.ts';
import { Hidden } from './hidden.ts';
import { Inspection } from './inspection.ts';
import { nodeInternals } from './internals.ts';
import { OwnMemory } from './ownMemory.ts';
import { LiveModules } from './modules.ts';
import { readModules } from './readModules.ts';
import { Originals } from './originals.ts';
import { forgetNatives, nativeFunctions } from './natives.ts';
import { Refusal } from './refusal.ts';

interface Settings {
  readonly file: string;
  readonly end: boolean;
  readonly patienceMs: number;
  readonly pid: number;
  /** The FIFO where the program stands still once its capsule is written, until it is told to go on. */
  readonly gate?: string;
  /** The program's clock when it was asked, as `process.hrtime.bigint()` tells it: what is awaited is so from then on. */
  readonly since: string;
  /** The inspector was opened for this: it is closed once a program that was held goes on. */
  readonly closeInspector?: boolean;
  /** Finds out whether the program can be captured, and writes nothing. */
  readonly rehearse?: boolean;
  /** Files: what the program tells of itself while it runs on, and the word that somebody is ready for it. */
  readonly advance?: string;
  readonly ready?: string;
}

interface Done {
  readonly bytes: number;
  readonly dropped: readonly string[];
}

/** Where a debug runtime that was loaded into the program says that it is there. */
const debugRuntime = Symbol.for('flick.debugRuntime');

/** A program that ends later than this before it is given up does not end, in ms. */
const lastMoment = 2_000;
const calledOff = 'The move was called off.';
const tooBusy = 'Cannot move yet: the program is too busy to be taken apart in time.';

/** How long the program runs on between two tries, in ms. */
const betweenTries = 15;
/** How long somebody may take to get ready, in ms, and how often is looked whether that is so. */
const readinessMs = 5_000;
const betweenLooks = 3;

/**
 * Captures the program at its next safe point. Evaluated in it by the inspector, which may interrupt it anywhere: hence
 * nothing is looked at before a turn of the event loop of its own.
 * @param realm the global object of a realm in which nothing is changed
 * @returns the answer as JSON; none when the process ends with its capsule
 */
export function begin(settings: Settings, builtins: BuiltinList, realm: object): Promise<string> {
  return new Promise((answer) => {
    if (process.pid !== settings.pid) {
      answer(JSON.stringify({ refused: 'The inspector belongs to another process.' }));
      return;
    }
    const asked = BigInt(settings.since);
    const elapsed = (): number => Number(process.hrtime.bigint() - asked) / 1e6;
    const deadline = performance.now() + settings.patienceMs - elapsed();
    let attempts = 0;
    let means: Means | undefined;
    const settle = (result: object): void => {
      means?.dispose();
      answer(JSON.stringify(result));
    };
    const attempt = (): void => {
      // Its thread is no part of the program: it leaves before a capture, and a rehearsal has nothing to say beside it.
      if (Reflect.get(process, debugRuntime) !== undefined) {
        if (settings.rehearse === true) answer(JSON.stringify({ done: { bytes: 0, dropped: [] } }));
        else if (performance.now() < deadline) setTimeout(attempt, betweenTries);
        else answer(JSON.stringify({ refused: 'Cannot move yet: the program is being debugged.' }));
        return;
      }
      const own = new Set<unknown>();
      const immediate = setImmediate(() => {
        attempts += 1;
        let gate: Gate | undefined;
        try {
          // Nobody waits for it any more.
          if (elapsed() > settings.patienceMs + beginPatience) throw new Refusal(tooBusy);
          means ??= prepare();
          gate = means.gate = openGate(settings.gate);
          const capsule = captureBy(builtins, realm, own, attempts, means);
          const done = write(settings, capsule);
          if (settings.end) end(settings, elapsed());
          gate?.wait();
          gate?.leave();
          settle({ done });
          if (gate !== undefined && settings.closeInspector === true) {
            // Waits for its clients to have gone, who have the answer then.
            setImmediate(() => closeInspector());
          }
        } catch (error) {
          gate?.dispose();
          if (error instanceof Refusal) {
            if (error.passing && performance.now() < deadline) setTimeout(attempt, betweenTries);
            else settle({ refused: error.message, hint: error.hint });
          } else {
            const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
            settle({ refused: `Cannot move: the capture failed. ${text}` });
          }
        }
      });
      own.add(immediate);
    };
    // Preparing takes its time, which need not be a part of the standstill.
    setImmediate(() => {
      try {
        means = prepare();
      } catch {
        // The attempt meets the same, and tells of it.
      }
      readModules(means?.trees ?? new Map(), deadline, (advance) =>
        announce(settings, advance, attempt),
      );
    });
  });
}

/** Opened before there is a capsule: one that is seen belongs to a program that stands still. */
function openGate(path: string | undefined): Gate | undefined {
  if (path === undefined) return undefined;
  try {
    return new Gate(path);
  } catch {
    throw new Refusal(calledOff);
  }
}

/** @throws {Refusal} when nobody waits for it any more: then it is taken back */
function end({ file, patienceMs }: Settings, elapsed: number): void {
  if (elapsed > patienceMs + beginPatience + capturePatience - lastMoment) {
    unlinkSync(file);
    throw new Refusal(tooBusy);
  }
  process.kill(process.pid, 'SIGKILL');
}

/** Tells what is coming, and lets the program run on until somebody is ready for it. */
function announce({ advance: file, ready }: Settings, advance: Advance, then: () => void): void {
  if (file === undefined || ready === undefined) {
    then();
    return;
  }
  const deadline = performance.now() + readinessMs;
  const look = (): void => {
    if (existsSync(ready) || performance.now() > deadline) then();
    else setTimeout(look, betweenLooks);
  };
  try {
    writeAdvance(file, advance);
    look();
  } catch {
    // Then nobody is ready, which only takes longer.
    then();
  }
}

/** What is got ready before the program stands still, and serves all tries. */
interface Means {
  readonly inspection: Inspection;
  /** Undefined where it cannot be read, or does not tell enough of this program. */
  memory: OwnMemory | undefined;
  /** Scripts that have been read. */
  readonly trees: Trees;
  /** Sockets that were there at an earlier try, and when, in ms. */
  readonly seenSockets: WeakMap<object, number>;
  /** Where the program will stand still, while a try is under way. */
  gate: Gate | undefined;
  dispose(): void;
}

function prepare(): Means {
  const inspection = new Inspection();
  inspection.watchScripts();
  const memory = OwnMemory.open();
  const dispose = (): void => {
    inspection.dispose();
    memory?.close();
  };
  const seenSockets = new WeakMap<object, number>();
  return { inspection, memory, trees: new Map(), seenSockets, gate: undefined, dispose };
}

/** By the memory, and where that does not do by a snapshot, whose size counts what has been read until then. */
function captureBy(
  list: BuiltinList,
  realm: object,
  own: Set<unknown>,
  attempts: number,
  means: Means,
): Capsule {
  const began = performance.now();
  try {
    return capture(list, realm, new Set(own), attempts, means, began);
  } catch (error) {
    if (!(error instanceof SnapshotNeeded)) throw error;
    means.memory = undefined;
    means.trees.clear();
    return capture(list, realm, new Set(own), attempts, means, began);
  }
}

function write({ file, rehearse }: Settings, capsule: Capsule): Done {
  const bytes = rehearse === true ? 0 : writeCapsule(file, capsule);
  return { bytes, dropped: capsule.header.dropped };
}

function capture(
  list: BuiltinList,
  realm: object,
  own: Set<unknown>,
  attempts: number,
  { inspection, memory, trees, seenSockets, gate }: Means,
  began: number,
): Capsule {
  const timeout = setTimeout(() => undefined, 1e6);
  clearTimeout(timeout);
  const [immediate] = [...own];
  own.add(timeout);
  const internals = nodeInternals(inspection);
  const hosts = new HostWorld(own, timeout, immediate as object, seenSockets, internals);
  refuseForeign(hosts);
  requireQuiet(gate);
  leaveSockets(hosts);
  const natives = nativeFunctions();
  const hidden = new Hidden();
  try {
    const modules = new LiveModules(inspection, internals);
    const heap = new Heap(inspection, natives, memory?.hold() === true ? memory : undefined);
    const isCore = (value: object): boolean =>
      typeof value !== 'function' || (heap.script(value)?.url.startsWith('node:') ?? true);
    const builtins = new Builtins(list, isCore);
    const originals = new Originals(heap, builtins, list, realm);
    const graph = new Graph({
      originals,
      heap,
      inspection,
      natives,
      internals,
      builtins,
      coreSymbols: builtinSymbols(builtins),
      trees,
      hosts,
      hidden,
      modules,
    });
    const roots = rootsOf(graph, list);
    graph.visitAll(() => {
      if (gate?.isThere === false) throw new Refusal(calledOff);
    });
    graph.contexts.confirm();
    roots.esm = modules.complete(roots.esm);
    const objects = graph.objects as ObjectRecord[];
    const functions = objects.filter(
      (each) => !Array.isArray(each) && (each as { k?: string } | null)?.k === 'fn',
    );
    const scripts = graph.scripts.all.map(({ url, kind, source }) => ({ url, kind, source }));
    const capsule: Capsule = {
      header: {
        format: capsuleFormat,
        version: capsuleVersion,
        node: process.version,
        arch: process.arch,
        platform: process.platform,
        argv: process.argv,
        execArgv: process.execArgv,
        cwd: process.cwd(),
        counts: {
          objects: objects.length - 1,
          contexts: graph.contexts.records.length - 1,
          functions: functions.length,
          scripts: scripts.length,
        },
        dropped: hosts.dropped,
        attempts,
        pauseMs: Math.ceil(performance.now() - began),
      },
      symbols: graph.symbols,
      shapes: graph.shapes,
      scripts,
      contexts: graph.contexts.records,
      objects,
      roots,
    };
    return capsule;
  } finally {
    hidden.dispose();
    memory?.release();
    forgetNatives();
  }
}

/** @throws {Refusal} while something is under way that is nowhere but in Node.js itself */
function requireQuiet(gate: Gate | undefined): void {
  const requests = (process as unknown as { _getActiveRequests(): object[] })._getActiveRequests();
  const [first] = requests;
  if (first !== undefined) {
    throw new Refusal(`Cannot move yet: a request is under way (${first.constructor.name}).`, {
      passing: true,
    });
  }
  for (const name of openFiles()) {
    if (name === gate?.path) continue;
    throw new Refusal(`Cannot move yet: the file ${name} is open.`, {
      passing: true,
      hint: 'Close it before the move.',
    });
  }
  for (const name of ['stdout', 'stderr'] as const) {
    const isMade = Object.getOwnPropertyDescriptor(process, name)?.get === undefined;
    if (isMade && process[name].writableLength > 0) {
      throw new Refusal(`Cannot move yet: ${name} has not been written out.`, { passing: true });
    }
  }
}

/** Files that the program has open besides its standard streams, where the system tells. */
function openFiles(): string[] {
  let descriptors: string[];
  try {
    descriptors = readdirSync('/proc/self/fd');
  } catch {
    return [];
  }
  return descriptors.flatMap((each) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${each}`);
      return Number(each) > 2 && target.startsWith('/') && !/^\/(dev|proc)\//.test(target)
        ? [target]
        : [];
    } catch {
      return [];
    }
  });
}

function rootsOf(graph: Graph, list: BuiltinList): Roots {
  const esm = graph.modules.records(graph);
  const hosts = hostRoots(graph);
  const cache = Reflect.get(Module, '_cache') as Record<string, object>;
  const modules = Object.entries(cache).map(([name, module]): [string, Value] => [
    name,
    graph.value(module, name.replace(/^.*\//, '')),
  ]);
  const known = new Set(list.globals);
  const globals = graph.properties(globalThis, (key) => {
    // The connections that `fetch` keeps are made again when they are needed.
    if (typeof key === 'symbol' && key.description?.startsWith('undici.') === true) return true;
    return known.has(typeof key === 'symbol' ? `@${key.description ?? ''}` : `.${key}`);
  });
  return { esm, modules, globals, ...changesOfBuiltins(graph, list), hosts };
}

export { listBuiltins };
