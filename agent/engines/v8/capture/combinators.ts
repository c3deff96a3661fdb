import type { ObjectRecord, Value } from '../capsule/format.ts';
import type { Graph } from './graph.ts';
import { isAddress, randomInteger, smallInteger, type Memory, type Word } from './memory.ts';

/** How many promises the sample waits for: a number that nothing else in it has. */
const sampleSize = 23;
/** Of V8's functions and contexts; more are not looked at. */
const fieldCount = 9;

/** Where V8 keeps what the functions share that `Promise.all` and its relatives hand to `then`. */
interface Layout {
  /** What the first function has as its hash, which is its index. */
  readonly first: number;
  readonly context: number;
  readonly remaining: number;
  readonly values: number;
  /** What stands for a value that has not come: newer V8s have one of its own for it. */
  readonly hole: Word;
}

const layouts = new WeakMap<Memory, Layout>();
/** By the memory of a capture and the node of the shared context, the id of its record. */
const groups = new WeakMap<Graph, Map<number, number>>();

/** A function that `Promise.all`, `allSettled` or `any` waits with; undefined for others. */
export function elementRecord(graph: Graph, f: object, name: string): ObjectRecord | undefined {
  const match = /^Promise(AllSettled|All|Any)(Resolve|Reject)ElementClosure/.exec(name);
  if (match === null) return undefined;
  const { memory } = graph.hidden;
  if (memory === undefined) {
    throw graph.refuse(`waited for by Promise.${ofName(match[1])}, whose state is not known`);
  }
  const layout = layoutOf(memory);
  const node = graph.heap.snapshot.follow(graph.heap.nodeOf(f), 'context');
  const hash = smallInteger(memory.exact(() => memory.words(memory.word(f), 2)[1] ?? 1n));
  if (hash === undefined || layout.context < 0)
    throw graph.refuse('a function of a promise, whose place is not known');
  if (/NativeContext/.test(graph.heap.snapshot.name(node))) {
    return graph.finish({ k: 'element', group: 0, index: 0, rejects: false }, f);
  }
  const known = groups.get(graph) ?? new Map<number, number>();
  groups.set(graph, known);
  let group = known.get(node);
  if (group === undefined) {
    group = groupOf(graph, memory, layout, f, node, ofName(match[1]));
    known.set(node, group);
  }
  const index = hash - layout.first;
  return graph.finish({ k: 'element', group, index, rejects: match[2] === 'Reject' }, f);
}

function ofName(word: string | undefined): 'all' | 'allSettled' | 'any' {
  return word === 'All' ? 'all' : word === 'Any' ? 'any' : 'allSettled';
}

function groupOf(
  graph: Graph,
  memory: Memory,
  layout: Layout,
  f: object,
  context: number,
  of: 'all' | 'allSettled' | 'any',
): number {
  const { snapshot } = graph.heap;
  const edges = snapshot.edges(context);
  const refuse = (): Error =>
    graph.refuse(`waited for by Promise.${of}, whose state is not known`, { passing: true });
  const capability = edges.find(({ to }) => snapshot.name(to).includes('PromiseCapability'));
  if (capability === undefined) throw refuse();
  const parts = snapshot.edges(capability.to).flatMap(({ to }) => {
    const live = graph.heap.liveOf(to);
    return live === undefined ? [] : [live];
  });
  const lists = edges
    .filter(({ name, to }) => {
      const isOther = /^(previous|scope_info|map|extension|native_context)$/.test(String(name));
      return to !== capability.to && !isOther && !snapshot.name(to).includes('Context');
    })
    .flatMap(({ to }) => snapshot.edges(to).map((edge) => graph.heap.liveOf(edge.to)))
    .filter((each) => each !== undefined);
  const found = memory.exact(() => {
    const words = memory.words(memory.follow(memory.word(f), [layout.context]), fieldCount);
    const byWord = new Map(parts.map((each) => [memory.word(each), each] as const));
    const capabilityWord = words.find((word) => {
      const fields = memory.words(word, 4);
      return isAddress(word) && fields.slice(1).every((each) => byWord.has(each));
    });
    const [, promise, resolve, reject] = memory.words(capabilityWord ?? 0n, 4);
    const members = new Map(lists.map((each) => [memory.word(each), each] as const));
    const values = memory.elements(words[layout.values] ?? 0n).map((word) => {
      if (word === layout.hole) return 'hole' as const;
      if (memory.isPrimitive(word)) return { value: memory.primitive(word) };
      return members.has(word) ? { value: members.get(word) } : undefined;
    });
    const live = [promise, resolve, reject].map((word) => byWord.get(word ?? 0n));
    return { live, values, remaining: smallInteger(words[layout.remaining] ?? 1n) };
  });
  const { live, values, remaining } = found;
  if (live.includes(undefined) || values.includes(undefined) || remaining === undefined)
    throw refuse();
  // The list need not have room for what has not come yet.
  const count = remaining + values.filter((each) => each !== 'hole').length;
  if (values.slice(count).some((each) => each !== 'hole')) throw refuse();
  const [promise, resolve, reject] = live.map((each) => graph.value(each, `Promise.${of}`));
  const results = Array.from({ length: count }, (_, index): Value => {
    const each = values[index] ?? 'hole';
    return each === 'hole' ? ['h'] : graph.value(each.value, String(index));
  });
  return graph.add({
    k: 'combinator',
    of,
    promise: promise ?? [],
    resolve: resolve ?? [],
    reject: reject ?? [],
    results,
  });
}

function layoutOf(memory: Memory): Layout {
  const known = layouts.get(memory);
  if (known !== undefined) return known;
  const closures: ((value: unknown) => void)[] = [];
  const elements = Array.from({ length: sampleSize }, () => ({
    then: (resolve: (value: unknown) => void) => closures.push(resolve),
  }));
  const settle = Object.assign(
    function (executor: (resolve: () => void, reject: () => void) => void) {
      executor(
        () => undefined,
        () => undefined,
      );
    },
    { resolve: (each: unknown) => each },
  );
  void Reflect.apply(Promise.all, settle, [elements]);
  const mark = randomInteger();
  const [first, second, third] = closures;
  third?.(mark);
  const layout = memory.exact((): Layout => {
    const [a, b] = [first, second].map((each) => memory.words(memory.word(each), fieldCount));
    const left = BigInt(sampleSize - 1) << 32n;
    const shared = (word: Word, at: number): boolean =>
      at > 1 && word === b?.[at] && memory.words(word, fieldCount).includes(left, 2);
    const context = a?.findIndex(shared) ?? -1;
    const words = memory.words(a?.[context] ?? 0n, fieldCount);
    const isValues = (word: Word): boolean =>
      isAddress(word) &&
      memory.words(word, 2)[1] === BigInt(sampleSize) << 32n &&
      memory.elements(word)[2] === BigInt(mark) << 32n;
    const values = words.findIndex(isValues);
    return {
      first: smallInteger(a?.[1] ?? 1n) ?? 0,
      context,
      remaining: words.indexOf(left, 2),
      values,
      hole: memory.elements(words[values] ?? 0n)[0] ?? memory.hole,
    };
  });
  layouts.set(memory, layout);
  return layout;
}
