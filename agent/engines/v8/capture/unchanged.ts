import type { AnyNode } from 'acorn';
import { localKey } from '../language/places.ts';
import type { Graph } from './graph.ts';
import type { OwnScopes } from './ownScopes.ts';
import type { Place } from './scripts.ts';

/** Whether what an expression yields now is an object that the activation holds in a register. */
export function isUnchanged(
  graph: Graph,
  node: AnyNode,
  place: Place,
  own: OwnScopes,
  registers: ReadonlyMap<number, number>,
): boolean {
  const value = evaluate(graph, node, place, own);
  if (typeof value !== 'function' && (typeof value !== 'object' || value === null)) return false;
  const wanted = graph.heap.nodeOf(value);
  return wanted >= 0 && [...registers.values()].includes(wanted);
}

/** The value of names and properties, without running anything; undefined when that is not possible. */
function evaluate(graph: Graph, node: AnyNode, place: Place, own: OwnScopes): unknown {
  if (node.type === 'Identifier') {
    const binding = place.script.tree.references.get(node);
    if (binding === undefined) return dataProperty(globalThis, node.name);
    const key = localKey(binding);
    return own.live(key) ?? graph.contexts.liveValue(own.context, binding, (id) => graph.live(id));
  }
  if (node.type === 'ThisExpression') {
    return own.values.get('this');
  }
  if (node.type === 'MemberExpression' && !node.computed && node.property.type === 'Identifier') {
    const object = evaluate(graph, node.object, place, own);
    return object === null || object === undefined
      ? undefined
      : dataProperty(Object(object) as object, node.property.name);
  }
  return undefined;
}

/** A property that needs no getter to be read. */
export function dataProperty(object: object, key: string): unknown {
  for (
    let at: object | null = object;
    at !== null;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    const descriptor = Reflect.getOwnPropertyDescriptor(at, key);
    if (descriptor !== undefined) return descriptor.value as unknown;
  }
  return undefined;
}
