import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import { isAddress, type Memory, type Word } from '../capture/memory.ts';
import { describeHost, type Adapter } from './adapter.ts';

/** Where V8 keeps what, by the index of a word. */
interface Layout {
  readonly cleanup: number;
  /** The first cell of those whose targets live, and of those whose targets are gone. */
  readonly lists: readonly [living: number, gone: number];
  readonly target: number;
  readonly held: number;
  readonly token: number;
  readonly next: number;
}

const registryWords = 9;
const cellWords = 10;
const layouts = new WeakMap<Memory, Layout>();

function layoutOf(memory: Memory): Layout {
  const known = layouts.get(memory);
  if (known !== undefined) return known;
  const cleanup = (): void => undefined;
  const [first, second, held, token] = [{}, {}, {}, {}];
  const registry = new FinalizationRegistry<object>(cleanup);
  registry.register(first, {});
  registry.register(second, held, token);
  const layout = memory.exact((): Layout => {
    const own = memory.words(memory.word(registry), registryWords);
    const isFirst = (word: Word): boolean =>
      memory.words(word, cellWords).includes(memory.word(first));
    // The newest is at the head.
    const living = own.findIndex((word) => {
      const cell = isAddress(word) ? memory.words(word, cellWords) : [];
      return cell.includes(memory.word(second)) && cell.includes(memory.word(held));
    });
    const cell = memory.words(own[living] ?? 0n, cellWords);
    return {
      cleanup: own.indexOf(memory.word(cleanup)),
      lists: [living, living + 1],
      target: cell.indexOf(memory.word(second)),
      held: cell.indexOf(memory.word(held)),
      token: cell.indexOf(memory.word(token)),
      next: cell.findIndex((word) => isAddress(word) && isFirst(word)),
    };
  });
  layouts.set(memory, layout);
  return layout;
}

/** Everything that cells of a registry, and the registry itself, lead to. */
function related(graph: Graph, registry: object): unknown[] {
  const { snapshot } = graph.heap;
  const nodes = new Set([graph.heap.nodeOf(registry)]);
  const found = new Set<unknown>();
  for (const node of nodes) {
    for (const { to, name } of snapshot.edges(node)) {
      if (name === 'map' || name === '__proto__') continue;
      if (snapshot.name(to) === 'system / WeakCell') nodes.add(to);
      else found.add(graph.heap.liveOf(to));
    }
  }
  found.delete(undefined);
  return [...found];
}

type Registration = readonly [target: unknown, held: unknown, token: unknown];

function read(
  graph: Graph,
  registry: object,
  memory: Memory,
): { cleanup: unknown; registered: Registration[] } {
  const layout = layoutOf(memory);
  const objects = related(graph, registry);
  return memory.exact(() => {
    const byWord = new Map(objects.map((each) => [memory.word(each), each] as const));
    const value = (word: Word = 0n): unknown => {
      if (byWord.has(word)) return byWord.get(word);
      if (memory.isPrimitive(word)) return memory.primitive(word);
      throw graph.refuse('a FinalizationRegistry with a registration that cannot be told');
    };
    const own = memory.words(memory.word(registry), registryWords);
    const registered: Registration[] = [];
    for (const list of layout.lists) {
      let cell = own[list] ?? 0n;
      while (isAddress(cell) && !memory.isPrimitive(cell)) {
        const words = memory.words(cell, cellWords);
        registered.push([
          value(words[layout.target]),
          value(words[layout.held]),
          value(words[layout.token]),
        ]);
        cell = words[layout.next] ?? 0n;
      }
    }
    return { cleanup: value(own[layout.cleanup]), registered: registered.reverse() };
  });
}

/** Registries of what is to be done when objects are gone. What went before the move is told of after it. */
export const finalizationRegistries: Adapter = {
  host: 'finalization',
  prototypes: () => [FinalizationRegistry.prototype],
  record(graph, object) {
    const { memory } = graph.hidden;
    if (memory === undefined) {
      throw graph.refuse('a FinalizationRegistry, whose registrations cannot be told here');
    }
    const { cleanup, registered } = read(graph, object, memory);
    const state = registered.map((each, index): Value => graph.value(each, `target ${index}`));
    return describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'finalization',
        state: { cleanup: graph.value(cleanup, 'callback'), registered: state },
      },
      new FinalizationRegistry(() => undefined),
    );
  },
  shell: (world, record) =>
    world.construct(record, FinalizationRegistry, [world.value(record.state['cleanup'])]),
  fill(world, object, { state }) {
    const registry = object as FinalizationRegistry<unknown>;
    for (const each of state['registered'] as Value[]) {
      const [target, held, token] = world.value(each) as Registration;
      registry.register((target ?? {}) as object, held, token as object | undefined);
    }
  },
};
