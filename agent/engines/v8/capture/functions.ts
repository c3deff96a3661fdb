import { Module } from 'node:module';
import { types } from 'node:util';
import type { ObjectRecord, FunctionRecord, Value } from '../capsule/format.ts';
import { standsInFor } from '../capsule/standIns.ts';
import { isClass } from '../language/parse.ts';
import { textRange } from '../language/positions.ts';
import { boundRecord } from '../hosts/asyncResources.ts';
import { intlFunctionRecord } from '../hosts/intl.ts';
import { revocationRecord } from '../hosts/revocations.ts';
import { canCarryCore, isCore, isOnlyNewer, needOfCore } from './coreFunctions.ts';
import { elementRecord } from './combinators.ts';
import { fieldKeys } from './fieldKeys.ts';
import type { Graph } from './graph.ts';
import { callsParent, homeOf } from './homes.ts';
import type { Internals } from './inspection.ts';
import { shortUrl } from './scripts.ts';

/** Functions of each kind that are asked for at once, and how many objects these are looked for among. */
const askedTogether = 50;
const seenAhead = 2_000;

/** True for functions that the program's own scripts made. */
export function isUserFunction(graph: Graph, f: object): boolean {
  const script = graph.heap.script(f);
  return (
    script !== undefined && !script.url.startsWith('node:') && graph.natives.script(f) !== undefined
  );
}

/** What the inspector shows of a function. Functions that come soon are asked for with it. */
function internalsOf(graph: Graph, f: object): Internals {
  if (!graph.inspection.isKnown(f)) graph.inspection.askTogether(withOthers(graph, f));
  return graph.inspection.internals(f);
}

/**
 * A function, and such as have been found and not visited: those of V8, which may be bound, and of the others such as
 * each see another context that is not known yet.
 */
function withOthers(graph: Graph, f: object): object[] {
  const [natives, others]: [object[], object[]] = [[], []];
  const from = (graph.idOf(f) ?? 0) + 1;
  const end = Math.min(graph.objects.count, from + seenAhead);
  for (let id = from; id < end; id += 1) {
    const each = graph.objects.has(id) ? undefined : graph.live(id);
    if (typeof each !== 'function' || types.isProxy(each)) continue;
    (isNative(graph, each) ? natives : others).push(each);
  }
  const own = isNative(graph, f) ? [] : [graph.heap.contextOf(f)];
  const contexts = new Set(own);
  const innermost = graph.heap.contextsOf(others);
  const needed = others.filter((_, index) => {
    const context = innermost[index] ?? 0;
    if (contexts.has(context) || graph.contexts.isKnown(context)) return false;
    contexts.add(context);
    return true;
  });
  return [f, ...needed.slice(0, askedTogether), ...natives.slice(0, askedTogether)];
}

function isNative(graph: Graph, f: object): boolean {
  return graph.natives.scriptId(f) < 0;
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
export function functionRecord(graph: Graph, f: Function): ObjectRecord {
  if (graph.natives.script(f) === undefined) return nativeFunction(graph, f);
  const found = graph.heap.script(f);
  if (found === undefined || isCore(graph, f, found.url)) {
    const known = coreFunction(graph, f);
    if (known !== undefined) return known;
  }
  const missing = standsInFor(f);
  if (missing !== undefined) return { k: 'builtin', paths: missing, callable: 1 };
  const place = graph.scripts.placeOf(f);
  const { script } = place;
  if (script.tree.usesWith)
    throw graph.refuse(`made by ${shortUrl(script.url)}, which uses 'with'`);
  const around = script.tree.around.get(place.node);
  if (around === undefined) throw graph.refuse('a function of an unknown place');
  const at = isClass(place.node) ? script.tree.scopeOf.get(place.node) : around;
  const context = graph.contexts.closure(
    f,
    place,
    at ?? around,
    () => internalsOf(graph, f).scopes,
  );
  needOfCore(graph, place, context);
  const range = textRange(script.tree.parents.get(place.node), place.node, script.source);
  const record: FunctionRecord = {
    k: 'fn',
    script: script.index,
    start: range.start,
    end: range.end,
    context,
  };
  if (callsParent(place)) throw graph.refuse('an arrow function that calls super()');
  const ownScope = script.tree.scopeOf.get(place.node);
  if (ownScope !== undefined && !isClass(place.node) && ownScope.owner.usesSuper) {
    const home = homeOf(
      graph,
      graph.heap.snapshot.follow(graph.heap.nodeOf(f), 'context'),
      ownScope.owner,
    );
    if (home !== undefined) record.home = home;
  }
  if (isClass(place.node)) {
    record.isClass = 1;
    const keys = fieldKeys(graph, f, place.node);
    if (keys !== undefined) record.keys = keys;
    if (script.tree.scopeOf.get(place.node)?.hasPrivateNames === true) {
      const { privates } = graph.inspection.internals(f);
      const fields = privates.filter(([, value]) => value !== undefined);
      if (fields.length > 0)
        record.priv = fields.map(([name, value]): [string, Value] => [
          name,
          graph.value(value, name),
        ]);
    }
  }
  const finished = graph.finish(record, f, (key) => key === 'arguments' || key === 'caller');
  if (record.priv !== undefined) finished.priv = record.priv;
  return finished;
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
function nativeFunction(graph: Graph, f: Function): ObjectRecord {
  const bound = boundFunction(graph, f);
  if (bound !== undefined) return bound;
  const node = graph.heap.nodeOf(f);
  const name = graph.heap.builtinName(node);
  if (/^PromiseCapabilityDefault(Resolve|Reject)/.test(name)) {
    const { promise, pair } = graph.heap.settler(node);
    const known = graph.settlers.get(promise);
    if (known !== undefined && known !== pair) {
      // Only one of the pairs still counts, and which one is not seen.
      throw graph.refuse('one of several ways to settle a promise', { passing: true });
    }
    graph.settlers.set(promise, pair);
    const id = graph.id(graph.heap.liveOf(promise), 'promise');
    return graph.finish(
      { k: 'settler', promise: id, rejects: name.startsWith('PromiseCapabilityDefaultReject') },
      f,
    );
  }
  const element = elementRecord(graph, f, name);
  if (element !== undefined) return element;
  if (/^Promise(Then|Catch)Finally/.test(name)) {
    const context = graph.heap.snapshot.follow(node, 'context');
    const edges = graph.heap.snapshot.edges(context);
    const callback = edges.find(({ to }) => {
      const isClosure = graph.heap.snapshot.type(to) === 'closure';
      return isClosure && graph.heap.builtinName(to) !== 'PromiseConstructor';
    });
    if (callback !== undefined) {
      const live = graph.heap.liveOf(callback.to);
      return {
        k: 'finally',
        callback: graph.value(live, 'callback'),
        catches: name.startsWith('PromiseCatch'),
      };
    }
  }
  if (/^Promise(ValueThunk|Thrower)Finally/.test(name)) return thunkRecord(graph, f);
  const revocation = revocationRecord(graph, f, name);
  if (revocation !== undefined) return revocation;
  const ofIntl = intlFunctionRecord(graph, name, node);
  if (ofIntl !== undefined) return ofIntl;
  const paths = graph.originals.pathsOf(node);
  if (paths !== undefined) return { k: 'builtin', paths, callable: 1 };
  if (/Wasm/.test(name))
    throw graph.refuse('a function of a WebAssembly instance, which cannot be carried');
  throw graph.refuse(`a function of V8 (${name || f.name}) that cannot be carried`);
}

/** What does nothing but give back a value or throw it: that is asked of itself. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
function thunkRecord(graph: Graph, f: Function): ObjectRecord {
  let value: unknown;
  let throws = false;
  try {
    value = Reflect.apply(f, undefined, []);
  } catch (error) {
    value = error;
    throws = true;
  }
  return { k: 'thunk', value: graph.value(value, 'value'), throws };
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
function boundFunction(graph: Graph, f: Function): ObjectRecord | undefined {
  const { fields } = internalsOf(graph, f);
  if (!fields.has('[[TargetFunction]]')) return undefined;
  const once = onceRecord(graph, fields.get('[[TargetFunction]]'), fields.get('[[BoundThis]]'));
  if (once !== undefined) return once;
  const args = Array.from((fields.get('[[BoundArgs]]') ?? []) as ArrayLike<unknown>);
  return graph.finish(
    {
      k: 'bound',
      target: graph.value(fields.get('[[TargetFunction]]'), 'target'),
      self: graph.value(fields.get('[[BoundThis]]'), 'this'),
      args: args.map((each, index) => graph.value(each, `argument ${index}`)),
    },
    f,
  );
}

/** What an emitter calls once: a bound function up to Node 22, a closure after that. */
function onceRecord(graph: Graph, target: unknown, state: unknown): ObjectRecord | undefined {
  const { name } = target as { name?: string };
  if (name !== 'onceWrapper' && name !== 'wrapper') return undefined;
  if (graph.heap.script(target as object)?.url !== 'node:events') return undefined;
  const variables = state as Record<string, unknown>;
  return {
    k: 'host',
    host: 'once',
    state: {
      target: graph.value(variables['target'], 'target'),
      type: graph.value(variables['type'], 'type'),
      listener: graph.value(variables['listener'], 'listener'),
    },
  };
}

/** Functions that `node:util` makes around functions of the program. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
function wrapperOf(graph: Graph, f: Function): ObjectRecord | undefined {
  const url = graph.heap.script(f)?.url;
  if (url !== 'node:internal/util' && url !== 'node:events') return undefined;
  const [scope] = graph.inspection.internals(f).scopes;
  if (url === 'node:events') return onceRecord(graph, f, scope?.object);
  const variables: Record<string, unknown> = { ...scope?.object };
  if (f.name === 'deprecated' && variables['fn'] === undefined) {
    for (const { object } of graph.inspection.internals(f).scopes.slice(1, 2)) {
      Object.assign(variables, object);
    }
  }
  // Newer versions keep the words of the warning in a function beside it.
  const emit = variables['emitDeprecationWarning'];
  if (typeof emit === 'function')
    Object.assign(variables, graph.inspection.internals(emit).scopes[0]?.object);
  const value = (name: string): Value => graph.value(variables[name], name);
  if (f.name === 'deprecated' && typeof variables['fn'] === 'function') {
    const state = { fn: value('fn'), msg: value('msg'), code: value('code') };
    return { k: 'host', host: 'deprecated', state };
  }
  if (
    typeof variables['original'] === 'function' &&
    Array.isArray(variables['argumentNames'] ?? [])
  ) {
    return { k: 'host', host: 'promisified', state: { original: value('original') } };
  }
  return undefined;
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
function coreFunction(graph: Graph, f: Function): ObjectRecord | undefined {
  const withCache = f as { cache?: unknown; resolve?: unknown };
  if (
    withCache.cache === Reflect.get(Module, '_cache') &&
    typeof withCache.resolve === 'function'
  ) {
    for (const { object } of internalsOf(graph, f).scopes) {
      const module = (Reflect.get(object, 'mod') ?? Reflect.get(object, 'module')) as unknown;
      if (module instanceof Module) {
        return { k: 'host', host: 'require', state: { module: graph.value(module, 'module') } };
      }
    }
  }
  const resolver = graph.modules.resolverOf(f);
  if (resolver !== undefined) {
    return graph.finish({ k: 'host', host: 'resolve', state: { module: resolver } }, f);
  }
  const wrapper = wrapperOf(graph, f) ?? boundRecord(graph, f);
  if (wrapper !== undefined) return wrapper;
  const url = graph.heap.script(f)?.url ?? '';
  if (isOnlyNewer(url, f.name)) return undefined;
  const paths = graph.variableOfCore(f);
  if (paths !== undefined) return { k: 'builtin', paths };
  if (canCarryCore(url)) return undefined;
  throw graph.refuse(`the function '${f.name}' of Node.js (${url}), which cannot be carried`, {
    // `fetch` looks once more at a connection in the turn after an answer.
    passing: url.startsWith('node:internal/deps/undici/'),
  });
}
