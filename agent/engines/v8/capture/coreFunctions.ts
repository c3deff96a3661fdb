import type { AnyNode } from 'acorn';
import type { FunctionRecord, Value } from '../capsule/format.ts';
import { readOriginMark } from '../language/origin.ts';
import { childrenOf } from '../language/parse.ts';
import type { Graph } from './graph.ts';
import type { Place } from './scripts.ts';

/**
 * Modules of Node.js whose functions are carried as if they were the program's: they hold all they know in variables
 * and properties that are carried as well, and mean the same in every version.
 */
const carried =
  /^node:(events|util|internal\/util|internal\/streams\/.*|internal\/event_target|internal\/abort_controller|timers\/promises|readline|internal\/readline\/.*|readline\/promises|internal\/events\/.*|internal\/console\/.*|_http_agent|internal\/fs\/streams|stream\/promises|internal\/validators|internal\/util\/.*)$/;

/** Functions that those call, and that older versions of Node.js do not have: carried with them. */
const onlyNewer: Readonly<Record<string, readonly string[]>> = {
  'node:internal/streams/end-of-stream': ['getEosErrored', 'getEosOnCloseError'],
};

/** Whether a variable of a module of Node.js is a function that older versions do not have, and that can be carried. */
export function isOnlyNewer(url: string, name: string): boolean {
  return onlyNewer[url]?.includes(name) === true;
}

export function canCarryCore(url: string): boolean {
  return carried.test(url);
}

/** Whether a function is one that Node.js itself made; not one of the same text that was made again. */
export function isCore(graph: Graph, f: object, url: string): boolean {
  return url.startsWith('node:') && readOriginMark(graph.natives.script(f) ?? '') === undefined;
}

/** Variables of a module of Node.js that a function of it uses, itself or in functions inside of it. */
export function needOfCore(graph: Graph, { script, node }: Place, context: number): void {
  if (script.kind !== 'core' || context === 0) return;
  const names = new Set<string>();
  const collect = (each: AnyNode): void => {
    const binding = script.tree.references.get(each);
    if (binding?.scope === script.tree.root) names.add(binding.name);
    for (const child of childrenOf(each)) collect(child);
  };
  collect(node);
  graph.contexts.needOfCore(context, names);
}

/** The function of an activation that goes on, as text, also where values refer to the target's own. */
export function coreActivation(graph: Graph, place: Place, context: number): Value {
  needOfCore(graph, place, context);
  const { start, end } = place.node;
  const record: FunctionRecord = { k: 'fn', script: place.script.index, start, end, context };
  return [graph.add(record)];
}
