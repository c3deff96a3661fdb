import type { AnyNode } from 'acorn';
import type { ActivationRecord, Value } from '../capsule/format.ts';
import { exitsOf, type Exits } from '../language/exits.ts';
import { metaEdits } from '../language/moduleBody.ts';
import { NotResumable } from '../language/notResumable.ts';
import { isFunction, parseGenerated, type FunctionNode } from '../language/parse.ts';
import type { Resumption } from '../language/resume.ts';
import { ScopeTree } from '../language/scopes.ts';
import type { Completion } from '../language/stable.ts';
import { splitText } from '../language/templates.ts';
import type { Graph } from './graph.ts';
import { smallInteger, type Word } from './memory.ts';
import type { Spot } from './probe.ts';
import type { Compiled } from './probeText.ts';
import type { Place } from './scripts.ts';
import { held } from './standIn.ts';

/** Words of what V8 puts around an iterator that gives no promises: three of any object, the iterator and its `next`. */
const fromSyncFields = 5;

/** The nodes in the registers of an activation, by index. */
export function registerNodes(graph: Graph, node: number): Map<number, number> {
  const { snapshot } = graph.heap;
  const found = new Map<number, number>();
  const registers = snapshot.follow(node, 'parameters_and_registers');
  for (const { name, to, type } of snapshot.edges(registers)) {
    const index = Number(name);
    if (type !== 'weak' && Number.isInteger(index) && name !== 'map') found.set(index, to);
  }
  return found;
}

/** Values of a suspended activation that have no name. */
export class Registers {
  readonly #graph: Graph;
  readonly #activation: object;
  readonly #nodes: ReadonlyMap<number, number>;
  readonly #spots: ReadonlyMap<string, readonly Spot[]>;

  /** @throws {NotResumable} when they are not to be had */
  constructor(
    graph: Graph,
    activation: object,
    nodes: ReadonlyMap<number, number>,
    place: Place,
    plan: Resumption,
    compiled: Compiled,
  ) {
    this.#graph = graph;
    this.#activation = activation;
    this.#nodes = nodes;
    const { probe } = graph.hidden;
    if (probe === undefined || !isFunction(place.node)) throw notToBeHad(plan);
    try {
      this.#spots = probe.locate(place.script.tree, place.node, plan, compiled);
    } catch {
      throw notToBeHad(plan);
    }
  }

  /** The value that is kept under a key. @throws {NotResumable} when it is not certain */
  value(key: string, plan: Resumption): unknown {
    const spots = this.#spots.get(key) ?? [];
    const values = spots.map((spot) => this.#read(spot));
    const [first] = values;
    if (first === undefined) throw notToBeHad(plan);
    const isSame = values.every((each) => each !== undefined && Object.is(each.value, first.value));
    if (!isSame) throw notToBeHad(plan);
    return held(this.#graph, first.value);
  }

  /** Whether the iterator that is kept under a key is one that gives no promises, with V8's own around it. */
  isSync(key: string): boolean {
    const [spot] = this.#spots.get(key) ?? [];
    const node = spot === undefined ? undefined : this.#nodes.get(spot.register);
    return node !== undefined && this.#graph.heap.syncInside(node) >= 0;
  }

  /** How the `try` was left whose `finally` is under way; undefined when that is not certain. */
  completion(key: string, { mayReturn, mayJump }: Exits): Completion | undefined {
    const [spot] = this.#spots.get(key) ?? [];
    if (spot === undefined) return undefined;
    const token = smallInteger(this.#words()[spot.register - 1] ?? 1n);
    if (token === -1) return 'normal';
    if (token === 0) return 'throw';
    return token !== undefined && token > 0 && mayReturn && !mayJump ? 'return' : undefined;
  }

  /** The keys that a `for … in` has left, the current one first; undefined when they are not certain. */
  keys(key: string): string[] | undefined {
    const [spot] = this.#spots.get(key) ?? [];
    const { memory } = this.#graph.hidden;
    if (spot === undefined || memory === undefined) return undefined;
    return memory.exact(() => {
      const words = this.#words();
      const list = memory.elements(words[spot.register + 2] ?? 0n);
      const length = smallInteger(words[spot.register + 3] ?? 1n);
      const index = smallInteger(words[spot.register + 4] ?? 1n);
      if (length === undefined || index === undefined || index >= length) return undefined;
      const keys = list.slice(index, length).map((word) => {
        const value = memory.isPrimitive(word) ? memory.primitive(word) : undefined;
        return typeof value === 'number' ? String(value) : value;
      });
      return keys.length === length - index && keys.every((each) => typeof each === 'string')
        ? keys
        : undefined;
    });
  }

  #words(): Word[] {
    const { memory, probe } = this.#graph.hidden;
    if (memory === undefined || probe === undefined) return [];
    return memory.exact(() => probe.registers(memory.word(this.#activation)));
  }

  #read({ register, element, property }: Spot): { readonly value: unknown } | undefined {
    const { heap, hidden } = this.#graph;
    const { memory, probe } = hidden;
    if (memory === undefined || probe === undefined) return undefined;
    const read = (): { readonly value: unknown } | undefined => {
      const word = probe.registers(memory.word(this.#activation))[register];
      if (word === undefined || word === memory.hole) return undefined;
      if (memory.isPrimitive(word)) return { value: memory.primitive(word) };
      const node = this.#nodes.get(register);
      if (node === undefined) return undefined;
      const inside = heap.syncInside(node);
      const live = heap.liveOf(inside < 0 ? node : inside);
      if (live === undefined) return undefined;
      // The snapshot and the memory must speak of the same object.
      const own = memory.word(live);
      const isSame = inside < 0 ? own === word : memory.words(word, fromSyncFields).includes(own);
      return isSame ? { value: live } : undefined;
    };
    const found = memory.exact(read);
    if (element === undefined && property === undefined) return found;
    const literal = found?.value;
    if (typeof literal !== 'object' || literal === null) return undefined;
    const descriptor = Reflect.getOwnPropertyDescriptor(literal, property ?? String(element));
    return descriptor === undefined ? undefined : { value: descriptor.value as unknown };
  }
}

/** The function of an activation as it was compiled: a rebuild made another text of it. */
export function compiledOf(graph: Graph, fn: object, place: Place): Compiled | undefined {
  const { script, node } = place;
  if (!isFunction(node)) return undefined;
  const source = graph.natives.script(fn) ?? '';
  let tree: ScopeTree = script.tree;
  let at: FunctionNode = node;
  if (source !== script.source) {
    try {
      tree = new ScopeTree(source, parseGenerated(source), 'script');
    } catch {
      return undefined;
    }
    const found = tree.byPosition.get(graph.natives.position(fn));
    if (found === undefined || !isFunction(found)) return undefined;
    at = found;
  }
  const isMethod =
    at.type === 'FunctionExpression' &&
    !/^(async|function)\b/.test(source.slice(at.start, at.start + 8));
  const strict =
    tree.scopeOf.get(at)?.strict === true || script.tree.scopeOf.get(node)?.strict === true;
  return { source, node: at, strict, isMethod, edits: metaEdits(tree, at.start, at.end) };
}

/** Writes down what a plan asks for beyond variables and iterators. @returns how each `finally` began */
export function keepValues(
  graph: Graph,
  record: ActivationRecord,
  plan: Resumption,
  registers: Registers,
  place: Place,
): Map<AnyNode, Completion> {
  const completions = new Map<AnyNode, Completion>();
  const kept: Record<string, Value> = {};
  const keep = (key: string): void => {
    kept[key] = graph.value(registers.value(key, plan), 'a value');
  };
  for (const { key, kind, node } of plan.kept) {
    if (kind === 'finally') {
      const completion = registers.completion(key, exitsOf(node));
      if (completion === undefined) {
        throw new NotResumable('inside a finally block, whose outcome is not known');
      }
      completions.set(node, completion);
      (record.completions ??= {})[String(node.start)] = completion;
      if (completion === 'normal') kept[key] = [];
      else keep(key);
      continue;
    }
    if (kind === 'forIn') {
      const keys = registers.keys(key);
      if (keys === undefined) throw new NotResumable('inside for … in, whose keys are not known');
      (record.keys ??= {})[key] = keys;
    }
    if (kind === 'part') {
      const template = place.script.tree.parents.get(node);
      const text = registers.value(key, plan);
      if (template?.type !== 'TemplateLiteral' || typeof text !== 'string') throw notToBeHad(plan);
      const parts = plan.kept.filter((each) => template.expressions.includes(each.node as never));
      const values = splitText(text, template, parts.length);
      const value = values?.[template.expressions.indexOf(node as never)];
      if (value === undefined) throw notToBeHad(plan);
      kept[key] = value;
      continue;
    }
    keep(key);
    if (kind === 'callee' || kind === 'target') keep(`${key}!`);
  }
  if (plan.kept.length > 0) record.kept = kept;
  return completions;
}

function notToBeHad({ kept, inside }: Resumption): NotResumable {
  return new NotResumable(
    kept.length > 0 ? `inside ${inside}` : 'inside a loop whose iterator is not known',
  );
}
