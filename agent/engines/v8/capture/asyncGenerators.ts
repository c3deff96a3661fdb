import type { ActivationRecord } from '../capsule/format.ts';
import type { Graph } from './graph.ts';
import { smallInteger, type Memory, type Word } from './memory.ts';
import { randomInteger } from './processMemory.ts';

const modes = ['next', 'return', 'throw'] as const;

/** Where V8 keeps the requests of an asynchronous generator, and their parts. */
interface Layout {
  readonly queue: number;
  readonly next: number;
  readonly mode: number;
  readonly value: number;
  readonly promise: number;
}

const layouts = new WeakMap<Memory, Layout>();

/** Whether requests wait for an asynchronous generator. */
export function hasRequests(graph: Graph, node: number): boolean {
  return requestNodes(graph, node).length > 0;
}

/** The promise of the request under way, and the requests behind it. @throws {Refusal} */
export function describeRequests(
  graph: Graph,
  record: ActivationRecord,
  generator: object,
  node: number,
): void {
  const nodes = requestNodes(graph, node);
  const [head, ...rest] = nodes;
  if (head === undefined) return;
  if (record.state !== 'suspended') throw graph.refuse('asked for values before it began');
  const first = promiseIn(graph, head);
  if (first !== undefined) record.promise = graph.id(first, 'promise');
  const { memory } = graph.hidden;
  const refuse = (): Error =>
    graph.refuse('an asynchronous generator that several requests wait for', { passing: true });
  if (memory === undefined) {
    if (rest.length > 0) throw refuse();
    return;
  }
  const layout = layoutOf(memory);
  const requests: NonNullable<ActivationRecord['requests']> = [];
  nodes.forEach((each, index) => {
    const promise = promiseIn(graph, each);
    const found = memory.exact(() => {
      const steps = new Array<number>(index).fill(layout.next);
      const words = memory.words(
        memory.follow(memory.word(generator), [layout.queue, ...steps]),
        8,
      );
      if (promise === undefined || words[layout.promise] !== memory.word(promise)) return undefined;
      const mode = modes[smallInteger(words[layout.mode] ?? 1n) ?? -1];
      const value = valueIn(graph, memory, each, words[layout.value] ?? 0n);
      return mode === undefined || value === undefined ? undefined : { mode, value };
    });
    if (found === undefined || promise === undefined) throw refuse();
    if (index === 0) record.mode = found.mode;
    else {
      requests.push({
        mode: found.mode,
        value: graph.value(found.value.value, 'value'),
        promise: graph.id(promise, 'promise'),
      });
    }
  });
  if (requests.length > 0) record.requests = requests;
}

function requestNodes(graph: Graph, node: number): number[] {
  const { snapshot } = graph.heap;
  const found: number[] = [];
  // V8 names the field of the first one only at times; no other field leads to a request.
  const next = (from: number): number | undefined =>
    snapshot.edges(from).find(({ to }) => isRequest(graph, to) && !found.includes(to))?.to;
  for (let at = next(node); at !== undefined; at = next(at)) found.push(at);
  return found;
}

function isRequest(graph: Graph, node: number): boolean {
  return graph.heap.snapshot.name(node).includes('AsyncGeneratorRequest');
}

/** The promise that a caller got for a request. */
function promiseIn(graph: Graph, request: number): object | undefined {
  const { snapshot } = graph.heap;
  const promises = snapshot
    .edges(request)
    .filter(({ to }) => snapshot.type(to) === 'object' && snapshot.name(to) === 'Promise')
    .map(({ to }) => graph.heap.liveOf(to));
  // The value may be a promise as well; the caller's is the last field.
  return promises.at(-1) as object | undefined;
}

function valueIn(
  graph: Graph,
  memory: Memory,
  request: number,
  word: Word,
): { readonly value: unknown } | undefined {
  if (memory.isPrimitive(word)) return { value: memory.primitive(word) };
  for (const { to } of graph.heap.snapshot.edges(request)) {
    if (isRequest(graph, to)) continue;
    const live = graph.heap.liveOf(to);
    if (live !== undefined && memory.word(live) === word) return { value: live };
  }
  return undefined;
}

function layoutOf(memory: Memory): Layout {
  const known = layouts.get(memory);
  if (known !== undefined) return known;
  const gate = new Promise(() => undefined);
  const generator = (async function* () {
    await gate;
    yield;
  })();
  const value = randomInteger();
  const first = generator.next();
  const second = generator.return(value as never);
  const third = generator.throw(value);
  for (const each of [first, second, third]) each.catch(() => undefined);
  const layout = memory.exact((): Layout => {
    const words = memory.words(memory.word(generator), 16);
    const queue = words.findIndex(
      (word, index) => index > 2 && memory.words(word, 8).includes(memory.word(first)),
    );
    const head = memory.words(words[queue] ?? 0n, 8);
    const promise = head.indexOf(memory.word(first));
    const next = head.findIndex((word) => memory.words(word, 8)[promise] === memory.word(second));
    const behind = memory.words(head[next] ?? 0n, 8);
    const last = memory.words(behind[next] ?? 0n, 8);
    const mode = behind.findIndex((word, at) => word === 1n << 32n && last[at] === 2n << 32n);
    return { queue, promise, next, mode, value: behind.indexOf(BigInt(value) << 32n) };
  });
  layouts.set(memory, layout);
  return layout;
}
