import type { AnyNode } from 'acorn';
import type { ActivationRecord } from '../capsule/format.ts';
import { NotResumable } from '../language/notResumable.ts';
import { localKey } from '../language/places.ts';
import type { Resumption } from '../language/resume.ts';
import type { Graph } from './graph.ts';
import { lastOfArray, placeArrayIterator } from './iterators.ts';
import type { OwnScopes } from './ownScopes.ts';
import type { Registers } from './registers.ts';
import type { Place } from './scripts.ts';
import { dataProperty } from './unchanged.ts';

/**
 * The iterators of the loops that an activation is in.
 * @param isAtWork whether somebody waits for its next value
 * @throws {NotResumable} when they cannot be told
 */
export function placeIterators(
  graph: Graph,
  record: ActivationRecord,
  plan: Resumption,
  registers: Registers,
  isAtWork: boolean,
): void {
  for (const loop of plan.iterators) {
    const live = registers.value(String(loop.start), plan);
    if (typeof live !== 'object' || live === null)
      throw new NotResumable('inside a loop whose iterator is not known');
    if (registers.isSync(String(loop.start))) {
      const isStep = loop === plan.target && (loop.type === 'ForOfStatement' || isAtWork);
      if (isStep) throw new NotResumable('while it waits for a step over what gives no promises');
      (record.sync ??= []).push(loop.start);
    }
    // A loop that a rebuild went on with has the iterator inside of another.
    const iterator = dataProperty(live, '$flickInner') ?? live;
    record.iterators[String(loop.start)] = graph.value(iterator, 'iterator');
  }
}

/**
 * The iterators of loops where registers cannot be told apart: those in registers that lie beside their `next`, when there are
 * exactly as many as loops.
 * @throws {NotResumable} when they cannot be told
 */
export function guessIterators(
  graph: Graph,
  record: ActivationRecord,
  plan: Resumption,
  own: OwnScopes,
  registers: Map<number, number>,
  place: Place,
): void {
  if (plan.iterators.length === 0) return;
  const { heap } = graph;
  const candidates: object[] = [];
  for (const [index, node] of [...registers].sort(([a], [b]) => a - b)) {
    // A loop keeps its iterator's `next` and the iterator beside each other.
    const type = heap.snapshot.type(node);
    if (type !== 'object' || heap.snapshot.name(node).startsWith('system /')) continue;
    const live = heap.liveOf(node);
    if (typeof live !== 'object' || live === null) continue;
    const neighbours = [registers.get(index - 1), registers.get(index + 1)];
    const next = dataProperty(live, 'next');
    const isIterator =
      typeof next === 'function' &&
      neighbours.some(
        (each) =>
          each !== undefined &&
          heap.snapshot.type(each) === 'closure' &&
          heap.liveOf(each) === next,
      );
    // A loop that a rebuild went on with has the iterator inside of another.
    const inner = (dataProperty(live, '$flickInner') ?? live) as object;
    if (isIterator && !candidates.includes(inner)) candidates.push(inner);
  }
  const [only, ...others] = plan.iterators;
  if (candidates.length > 1 && only !== undefined && others.length === 0) {
    // Patterns leave iterators behind that they have taken arrays apart with.
    const fitting = candidates.filter((each) => fits(graph, each, only, own, place));
    candidates.splice(0, Infinity, ...fitting);
  }
  if (candidates.length !== plan.iterators.length) {
    throw new NotResumable('inside a loop whose iterator is not known');
  }
  plan.iterators.forEach((loop, index) => {
    const iterator = candidates[index];
    if (iterator === undefined) return;
    if (loop.type === 'ForOfStatement' && !fits(graph, iterator, loop, own, place)) {
      const left =
        loop.left.type === 'VariableDeclaration' ? loop.left.declarations[0]?.id : loop.left;
      let current: unknown;
      if (left?.type === 'Identifier') {
        const binding = place.script.tree.references.get(left);
        current = binding === undefined ? own.values.get(left.name) : own.live(localKey(binding));
      }
      if (!placeArrayIterator(graph, iterator, current)) {
        throw new NotResumable('inside a loop over an array that has the same element twice');
      }
    }
    record.iterators[String(loop.start)] = graph.value(iterator, 'iterator');
  });
}

/** Whether the variables of a loop are what an iterator over an array gave last. */
function fits(
  graph: Graph,
  iterator: object,
  loop: AnyNode,
  own: OwnScopes,
  { script }: Place,
): boolean {
  if (loop.type !== 'ForOfStatement' || loop.left.type !== 'VariableDeclaration') return false;
  const pattern = loop.left.declarations[0]?.id;
  if (loop.left.kind !== 'const' || pattern === undefined) return false;
  const matches = (node: AnyNode | null, value: unknown): boolean => {
    if (node?.type === 'Identifier') {
      const binding =
        script.tree.references.get(node) ?? script.tree.scopeOf.get(loop)?.bindings.get(node.name);
      return binding !== undefined && Object.is(own.live(localKey(binding)), value);
    }
    return (
      node?.type === 'ArrayPattern' &&
      Array.isArray(value) &&
      node.elements.length > 0 &&
      node.elements.every((each, index) => {
        const element = Reflect.getOwnPropertyDescriptor(value, index);
        return element !== undefined && matches(each, element.value);
      })
    );
  };
  return lastOfArray(graph, iterator).some((value) => matches(pattern, value));
}
