import { Module } from 'node:module';
import { types } from 'node:util';
import { skippedSteps, stepOf, tagOf, type BuiltinList } from '../capsule/builtins.ts';
import type { PropertyRecord, Value } from '../capsule/format.ts';
import { isConsoleState } from '../hosts/consoles.ts';
import { isUserFunction } from './functions.ts';
import type { Graph } from './graph.ts';

/** What the program did to builtins: properties it added or replaced, properties it removed, and what it froze. */
export interface Changes {
  readonly changed: [Value, PropertyRecord][];
  readonly removed: [Value, Value][];
  readonly closed: Value[];
}

/** What a fresh process has under a name: an object with its index, or the tag of another value. */
type Known = number | string;

/** Own properties of `process` that the adapter of it carries, or that belong to the process and not to the program. */
const ofProcess =
  /^(title|exitCode|_exiting|_events|_eventsCount|mainModule|debugPort|domain|p?pid|connected)$/;

export function changesOfBuiltins(graph: Graph, list: BuiltinList): Changes {
  const changes: Changes = { changed: [], removed: [], closed: [] };
  const known = knownProperties(list);
  const closed = new Set(list.closed);
  const ways = new Map<number, 'module' | 'language'>();
  const depths = new Map<number, number>();
  list.entries.forEach(([holder, step], index) => {
    const depth = holder < 0 ? 0 : (depths.get(holder) ?? 0) + 1;
    depths.set(index, depth);
    if (holder < 0) {
      if (step === 'global') ways.set(index, 'language');
      else if (step.startsWith('module ')) ways.set(index, 'module');
    } else if (
      // Methods of classes that are globals, and nothing of what only Node.js has.
      depth <= 3 &&
      ways.get(holder) === 'language' &&
      graph.builtins.objects[holder] !== process
    )
      ways.set(index, 'language');
  });
  for (const [holder, index] of graph.builtins.indexOf) {
    if (holder === Reflect.get(Module, '_extensions') || holder === Reflect.get(Module, '_cache'))
      continue;
    const object = holder as object;
    const way = ways.get(index);
    const theirs = changedKeys(graph, object, known.get(index) ?? new Map<string, Known>(), way);
    const froze = way !== undefined && !Object.isExtensible(object) && !closed.has(index);
    if (theirs.changed.size + theirs.removed.length === 0 && !froze) continue;
    const value = graph.value(object, 'a builtin');
    const skip = (key: string | symbol): boolean =>
      graph.builtins.isPending(object, key) || (!theirs.changed.has(key) && !froze);
    for (const record of graph.properties(object, skip)) {
      changes.changed.push([value, record]);
    }
    for (const key of theirs.removed) changes.removed.push([value, graph.value(key, String(key))]);
    if (froze) changes.closed.push(value);
  }
  return changes;
}

const knownOf = new WeakMap<BuiltinList, Map<number, Map<string, Known>>>();

/** What a fresh process has where; the first time for a list takes its time. */
export function knownProperties(list: BuiltinList): Map<number, Map<string, Known>> {
  const there = knownOf.get(list);
  if (there !== undefined) return there;
  const known = new Map<number, Map<string, Known>>();
  knownOf.set(list, known);
  const add = (holder: number, step: string, what: Known): void => {
    const of = known.get(holder) ?? new Map<string, Known>();
    of.set(step, what);
    known.set(holder, of);
  };
  list.entries.forEach(([holder, step], index) => {
    add(holder, step, index);
  });
  for (const [index, holder, step] of list.aliases) add(holder, step, index);
  for (const [holder, step, tag] of list.values) add(holder, step, tag);
  return known;
}

function changedKeys(
  graph: Graph,
  holder: object,
  known: ReadonlyMap<string, Known>,
  way: 'module' | 'language' | undefined,
): { changed: Set<string | symbol>; removed: string[] } {
  const changed = new Set<string | symbol>();
  const own = new Set<string>();
  for (const key of Reflect.ownKeys(holder)) {
    const step = stepOf(key);
    own.add(step);
    if (graph.builtins.isPending(holder, key)) continue;
    const descriptor = Reflect.getOwnPropertyDescriptor(holder, key);
    if (descriptor === undefined || skippedSteps.has(step)) continue;
    if (holder === process && ofProcess.test(String(key))) continue;
    if (holder === console && isConsoleState(key)) continue;
    const isOfFunction =
      typeof holder === 'function' && /^(name|length|prototype)$/.test(String(key));
    if (isOfFunction && !isTheirs(graph, descriptor.value)) continue;
    if (isChanged(graph, holder, step, descriptor, known, way)) changed.add(key);
  }
  const removed: string[] = [];
  if (way === 'language') {
    for (const step of known.keys()) {
      const plain = step.startsWith('<') || step.startsWith('>') ? step.slice(1) : step;
      if (plain === '^' || own.has(plain) || skippedSteps.has(plain)) continue;
      const key = plain.slice(1);
      if (plain.startsWith('.') && !removed.includes(key)) removed.push(key);
    }
  }
  return { changed, removed };
}

function isChanged(
  graph: Graph,
  holder: object,
  step: string,
  descriptor: PropertyDescriptor,
  known: ReadonlyMap<string, Known>,
  way: 'module' | 'language' | undefined,
): boolean {
  const first = known.get(step);
  // As it is with nearly all of them.
  if (typeof first === 'number' && isFirst(graph, first, descriptor.value)) return false;
  const parts: (readonly [string, unknown])[] =
    'value' in descriptor
      ? [[step, descriptor.value]]
      : [
          [`<${step}`, descriptor.get],
          [`>${step}`, descriptor.set],
        ];
  if (parts.some(([, value]) => isTheirs(graph, value))) return true;
  // What else is on an object that no name of the language or of a module leads to is Node.js's own affair.
  if (way === undefined) return false;
  const isNew = ['', '<', '>'].every((prefix) => !known.has(prefix + step));
  const isName = step.startsWith('.') && !step.startsWith('._');
  if (isNew) {
    // All that is new among the globals is a root of its own.
    if (holder === globalThis) return false;
    if (holder === process) return isName || step === '._maxListeners';
    return isName || way === 'language';
  }
  return parts.some(([at, value]) => {
    const there = known.get(at);
    if (typeof there === 'number') {
      const index = graph.builtins.indexOf.get(value);
      if (index !== undefined) return index !== there && graph.builtins.objects[there] !== value;
      return typeof value !== 'object' && typeof value !== 'function' && at === step;
    }
    if (there === undefined || at !== step) return false;
    if (holder === process && step !== '._maxListeners') return false;
    return tagOf(descriptor) !== there;
  });
}

/** Whether a value is the builtin that a fresh process has under a name. */
function isFirst(graph: Graph, index: number, value: unknown): boolean {
  return value !== undefined && graph.builtins.objects[index] === value;
}

/** Whether a value is of the program's making: its function, or made by a class of its own. */
function isTheirs(graph: Graph, value: unknown): boolean {
  if (graph.builtins.indexOf.has(value)) return false;
  if (typeof value === 'function') return isUserFunction(graph, value);
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false;
  const proto = Object.getPrototypeOf(value) as object | null;
  if (proto === null || types.isProxy(proto)) return false;
  const maker = Reflect.getOwnPropertyDescriptor(proto, 'constructor')?.value as unknown;
  return typeof maker === 'function' && isUserFunction(graph, maker);
}
