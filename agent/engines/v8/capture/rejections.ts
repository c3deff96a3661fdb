import { types } from 'node:util';
import type { Graph } from './graph.ts';

type Reported = WeakMap<object, { readonly warned?: boolean }>;

let reported: Reported | undefined;

/**
 * Whether Node.js has told the program that nobody handles a rejected promise, and will tell it when somebody does.
 * @throws {Refusal} where this version of Node.js does not show it
 */
export function isReported(graph: Graph, promise: object): boolean {
  reported ??= reportedPromises(graph);
  if (reported === undefined) {
    throw graph.refuse('a rejected promise, of which this Node.js does not show who handles it');
  }
  return WeakMap.prototype.get.call(reported, promise) !== undefined;
}

/** What the module of Node.js keeps that looks after rejections. */
function reportedPromises(graph: Graph): Reported | undefined {
  const module = graph.internals.require('internal/process/promises');
  for (const f of Object.values(module)) {
    if (typeof f !== 'function') continue;
    for (const { object } of graph.inspection.internals(f).scopes) {
      const found = Reflect.getOwnPropertyDescriptor(object, 'maybeUnhandledPromises')
        ?.value as unknown;
      if (types.isWeakMap(found)) return found as Reported;
    }
  }
  return undefined;
}
