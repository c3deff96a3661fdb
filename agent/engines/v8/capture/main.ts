import { existsSync, unlinkSync } from 'node:fs';
import { close as closeInspector } from 'node:inspector';
import { writeAdvance, type Advance } from '../capsule/advance.ts';
import { listBuiltins as listPlain, type BuiltinList } from '../capsule/builtins.ts';
import { capsuleFormat, capsuleVersion, type FileRecord } from '../capsule/format.ts';
import { Gate } from '../capsule/gate.ts';
import { beginPatience, capturePatience } from '../capsule/patience.ts';
import { Spool } from '../capsule/spool.ts';
import { writeCapsule, type WrittenCapsule } from '../capsule/write.ts';
import { refuseForeign } from '../hosts/handles.ts';
import { openFiles } from '../hosts/openFiles.ts';
import { leaveSockets } from '../hosts/sockets.ts';
import { isHeard, onceCertain } from './answering.ts';
import { snapshotNeeded } from './heap.ts';
import { failedWith, requireLanguage } from './language.ts';
import { listWithLazy } from './lazyGlobals.ts';
import { hiddenOf, hostWorld, newGraph, prepare, rootsOf, type Means } from './means.ts';
import { readModules } from './readModules.ts';
import { forgetNatives } from './natives.ts';
import { Refusal } from './refusal.ts';
import { practise } from './practice.ts';

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
/** Objects between two looks at whether they are still wanted. */
const betweenGateLooks = 10_000;
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
  return new Promise((resolve) => {
    const answer = (text: string): void => {
      if (isHeard()) resolve(text);
    };
    if (process.pid !== settings.pid) {
      answer(JSON.stringify({ refused: 'The inspector belongs to another process.' }));
      return;
    }
    const asked = BigInt(settings.since);
    const elapsed = (): number => Number(process.hrtime.bigint() - asked) / 1e6;
    let deadline = performance.now() + settings.patienceMs - elapsed();
    let attempts = 0;
    let means: Means | undefined;
    /** Methods of the language that the program has replaced. */
    let replaced: readonly string[] = [];
    const settle = (result: object): void => {
      means?.dispose();
      answer(JSON.stringify(result));
    };
    const fail = (error: unknown): void => {
      const refusal = error instanceof Refusal ? error : failedWith(replaced, error);
      if (refusal !== undefined) settle({ refused: refusal.message, hint: refusal.hint });
      else
        settle({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
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
        const spool = spoolFor(settings);
        try {
          // Nobody waits for it any more.
          if (elapsed() > settings.patienceMs + beginPatience) throw new Refusal(tooBusy);
          means ??= prepare(builtins, realm);
          gate = means.gate = openGate(settings.gate);
          const capsule = captureBy(own, attempts, means, spool);
          const done = write(settings, capsule);
          spool.clear();
          if (settings.end) end(settings, elapsed());
          gate?.wait();
          gate?.leave();
          if (gate === undefined) settle({ done });
          else {
            means.dispose();
            goOn(settings, () => answer(JSON.stringify({ done })));
          }
        } catch (error) {
          gate?.dispose();
          spool.clear();
          const isPassing = error instanceof Refusal && error.passing;
          if (isPassing && performance.now() < deadline) setTimeout(attempt, betweenTries);
          else fail(error);
        }
      });
      own.add(immediate);
    };
    // Preparing takes its time, which need not be a part of the standstill.
    setImmediate(() => {
      const preparing = performance.now();
      try {
        replaced = requireLanguage(realm);
      } catch (error) {
        fail(error);
        return;
      }
      try {
        means = prepare(builtins, realm);
      } catch {
        // The attempt meets the same, and tells of it.
      }
      readModules(means?.trees ?? new Map(), deadline, (advance) => {
        announce(settings, advance);
        practise(settings.rehearse === true ? undefined : means, deadline, () => {
          // On a slow machine as long as the whole search: a program that is not at a safe point just then is tried again.
          deadline += Math.min(performance.now() - preparing, beginPatience);
          untilReady(settings, (waited) => {
            // Others were waited for, not the program.
            deadline += waited;
            attempt();
          });
        });
      });
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

/** After it was held. */
function goOn({ closeInspector: isOurs }: Settings, answer: () => void): void {
  onceCertain(() => {
    answer();
    // Waits for its clients to have gone, who have the answer then.
    if (isOurs === true) setImmediate(() => closeInspector());
  });
}

/** @throws {Refusal} when nobody waits for it any more: then it is taken back */
function end({ file, patienceMs }: Settings, elapsed: number): void {
  if (elapsed > patienceMs + beginPatience + capturePatience - lastMoment) {
    unlinkSync(file);
    throw new Refusal(tooBusy);
  }
  process.kill(process.pid, 'SIGKILL');
}

/** Tells what is coming. */
function announce({ advance: file }: Settings, advance: Advance): void {
  if (file === undefined) return;
  try {
    writeAdvance(file, advance);
  } catch {
    // Then nobody is ready, which only takes longer.
  }
}

/** Lets the program run on until somebody is ready for it. */
function untilReady({ ready, gate }: Settings, then: (waited: number) => void): void {
  const began = performance.now();
  const look = (): void => {
    const waited = performance.now() - began;
    const isOver = waited > readinessMs || (gate !== undefined && !existsSync(gate));
    if (ready === undefined || existsSync(ready) || isOver) then(waited);
    else setTimeout(look, betweenLooks);
  };
  look();
}

/** By the memory, and where that does not do by a snapshot, whose size counts what has been read until then. */
function captureBy(
  own: Set<unknown>,
  attempts: number,
  means: Means,
  spool: Spool,
): WrittenCapsule {
  const began = performance.now();
  try {
    return capture(new Set(own), attempts, means, spool, began);
  } catch (error) {
    if (error !== snapshotNeeded) throw error;
    means.memory = undefined;
    means.trees.clear();
    spool.clear();
    return capture(new Set(own), attempts, means, spool, began);
  }
}

/** A rehearsal writes nothing. */
function spoolFor({ file, rehearse }: Settings): Spool {
  return new Spool(rehearse === true ? undefined : `${file}.${process.pid}.parts`);
}

function write({ file, rehearse }: Settings, capsule: WrittenCapsule): Done {
  const bytes = rehearse === true ? 0 : writeCapsule(file, capsule);
  return { bytes, dropped: capsule.header.dropped };
}

function capture(
  own: Set<unknown>,
  attempts: number,
  means: Means,
  spool: Spool,
  began: number,
): WrittenCapsule {
  const hosts = hostWorld(own, means);
  refuseForeign(hosts);
  requireQuiet();
  const files = filesOf(means.gate);
  leaveSockets(hosts);
  const memory = means.memory?.hold() === true ? means.memory : undefined;
  try {
    const graph = newGraph(means, memory, hosts, hiddenOf(means), spool);
    const { modules } = graph;
    const roots = { ...rootsOf(graph, means.list), files };
    let count = 0;
    graph.visitAll(() => {
      count += 1;
      const isDue = count % betweenGateLooks === 0;
      if (isDue && means.gate?.isThere === false) throw new Refusal(calledOff);
      return true;
    });
    graph.contexts.confirm();
    roots.hosts['templates'] = graph.templates.complete();
    roots.esm = modules.complete(roots.esm);
    const scripts = graph.scripts.records();
    const capsule: WrittenCapsule = {
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
          objects: graph.objects.count - 1,
          contexts: graph.contexts.records.length - 1,
          functions: graph.objects.functions,
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
      objects: graph.objects.finish(),
      roots,
    };
    return capsule;
  } finally {
    means.memory?.release();
    forgetNatives();
  }
}

/** @throws {Refusal} while something is under way that is nowhere but in Node.js itself */
function requireQuiet(): void {
  const requests = (process as unknown as { _getActiveRequests(): object[] })._getActiveRequests();
  const [first] = requests;
  if (first !== undefined) {
    throw new Refusal(`Cannot move yet: a request is under way (${first.constructor.name}).`, {
      passing: true,
    });
  }
  for (const name of ['stdout', 'stderr'] as const) {
    const isMade = Object.getOwnPropertyDescriptor(process, name)?.get === undefined;
    if (isMade && process[name].writableLength > 0) {
      throw new Refusal(`Cannot move yet: ${name} has not been written out.`, { passing: true });
    }
  }
}

/** Without those that are the engine's own. */
function filesOf(gate: Gate | undefined): FileRecord[] {
  return openFiles((path) => path === gate?.path || path === `/proc/${process.pid}/mem`);
}

/** What a fresh process has built in. */
export function listBuiltins(): BuiltinList {
  return listWithLazy(listPlain);
}
