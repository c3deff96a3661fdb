import type { Graph } from './graph.ts';

/**
 * @throws {Refusal} for `arguments` whose elements are the parameters of a function: one changes with the other, which
 * nothing shows afterwards. Only such objects have a `callee` that can be read.
 */
export function argumentsRecord(graph: Graph, object: object): { readonly k: 'args' } {
  const callee: unknown = Object.getOwnPropertyDescriptor(object, 'callee')?.value;
  if (typeof callee === 'function' && callee.length > 0) {
    throw graph.refuse('the `arguments` of a function, whose elements are its parameters');
  }
  return { k: 'args' };
}
