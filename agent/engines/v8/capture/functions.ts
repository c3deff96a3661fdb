import { Module } from 'node:module';
import type { ObjectRecord, FunctionRecord, Value } from '../capsule/format.ts';
import { isClass } from '../language/parse.ts';
import type { Graph } from './graph.ts';
import { shortUrl } from './scripts.ts';

/** True for functions that the program's own scripts made. */
export function isUserFunction(graph: Graph, f: object): boolean {
  const script = graph.heap.scriptOf(graph.heap.nodeOf(f));
  return script !== undefined && !script.url.startsWith('node:') && graph.natives.script(f) !== undefined;
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
export function functionRecord(graph: Graph, f: Function): ObjectRecord {
  const node = graph.heap.nodeOf(f);
  if (graph.natives.script(f) === undefined) return nativeFunction(graph, f, node);
  const found = graph.heap.scriptOf(node);
  if (found === undefined || found.url.startsWith('node:')) return coreFunction(graph, f);
  const place = graph.scripts.placeOf(f, node);
  const { script } = place;
  if (script.tree.usesWith) throw graph.refuse(`made by ${shortUrl(script.url)}, which uses 'with'`);
  const around = script.tree.around.get(place.node);
  if (around === undefined) throw graph.refuse('a function of an unknown place');
  const at = isClass(place.node) ? script.tree.scopeOf.get(place.node) : around;
  const context = graph.contexts.closure(
    graph.heap.snapshot.follow(node, 'context'),
    script,
    at ?? around,
    () => graph.inspection.internals(f).scopes,
  );
  const range = textRange(script.tree.parents.get(place.node), place.node, script.source);
  const record: FunctionRecord = {
    k: 'fn',
    script: script.index,
    start: range.start,
    end: range.end,
    context,
  };
  if (isClass(place.node)) {
    record.isClass = 1;
    if (script.tree.scopeOf.get(place.node)?.hasPrivateNames === true) {
      const { privates } = graph.inspection.internals(f);
      const fields = privates.filter(([, value]) => value !== undefined);
      if (fields.length > 0) record.priv = fields.map(([name, value]): [string, Value] => [name, graph.value(value, name)]);
    }
  }
  const finished = graph.finish(record, f, (key) => key === 'arguments' || key === 'caller');
  if (record.priv !== undefined) finished.priv = record.priv;
  return finished;
}

/** What `toString` shows: of a method, its whole definition without `static`. */
export function textRange(
  parent: { type: string; start: number; end: number } | undefined,
  node: { start: number; end: number },
  source: string,
): { start: number; end: number } {
  const member = parent as
    | { type: string; start: number; end: number; value?: unknown; method?: boolean; kind?: string; static?: boolean }
    | undefined;
  if (member?.value !== node) return node;
  const isMethod =
    member.type === 'MethodDefinition' ||
    (member.type === 'Property' && (member.method === true || member.kind !== 'init'));
  if (!isMethod) return node;
  const { start, end } = member;
  if (member.static !== true) return { start, end };
  const rest = /^static(?:\s|\/\*[^]*?\*\/|\/\/[^\n]*\n)*/.exec(source.slice(start, end));
  return { start: start + (rest?.[0].length ?? 0), end };
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
function nativeFunction(graph: Graph, f: Function, node: number): ObjectRecord {
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
    return graph.finish({ k: 'settler', promise: id, rejects: name.startsWith('PromiseCapabilityDefaultReject') }, f);
  }
  if (/^Promise(Then|Catch)Finally/.test(name)) {
    const context = graph.heap.snapshot.follow(node, 'context');
    const edges = graph.heap.snapshot.edges(context);
    const callback = edges.find(({ to }) => {
      const live = graph.heap.snapshot.type(to) === 'closure' ? graph.heap.liveOf(to) : undefined;
      return live !== undefined && live !== Promise;
    });
    if (callback !== undefined) {
      const live = graph.heap.liveOf(callback.to);
      return { k: 'finally', callback: graph.value(live, 'callback'), catches: name.startsWith('PromiseCatch') };
    }
  }
  const { fields } = graph.inspection.internals(f);
  if (fields.has('[[TargetFunction]]')) {
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
  throw graph.refuse(`a function of V8 (${name || f.name}) that cannot be carried`);
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
function coreFunction(graph: Graph, f: Function): ObjectRecord {
  const withCache = f as { cache?: unknown; resolve?: unknown };
  if (withCache.cache === Reflect.get(Module, '_cache') && typeof withCache.resolve === 'function') {
    for (const { object } of graph.inspection.internals(f).scopes) {
      const module = (Reflect.get(object, 'mod') ?? Reflect.get(object, 'module')) as unknown;
      if (module instanceof Module) {
        return { k: 'host', host: 'require', state: { module: graph.value(module, 'module') } };
      }
    }
  }
  const paths = graph.variableOfCore(f);
  if (paths !== undefined) return { k: 'builtin', paths };
  const url = graph.heap.scriptOf(graph.heap.nodeOf(f))?.url ?? '';
  throw graph.refuse(`the function '${f.name}' of Node.js (${url}), which cannot be carried`);
}
