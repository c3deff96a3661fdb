import { types } from 'node:util';
import type { Graph } from './graph.ts';

/** What an object stands for that a rebuild put into a resumed function; other values stand for themselves. */
export function held(graph: Graph, value: unknown): unknown {
  if (typeof value === 'function') {
    const own = Reflect.getOwnPropertyDescriptor(value, '$flickHeld');
    return own === undefined ? value : (own.value as unknown);
  }
  if (typeof value !== 'object' || value === null || !types.isProxy(value)) return value;
  const [, handler] = graph.proxyDetails(value);
  const own =
    handler === null
      ? undefined
      : Reflect.getOwnPropertyDescriptor(handler as object, '$flickHeld');
  return own === undefined ? value : (own.value as unknown);
}
