import { EventEmitter } from 'node:events';
import type { Interface, ReadLineOptions } from 'node:readline';
import { PassThrough, type Readable } from 'node:stream';
import { corePath, resolveSymbol } from '../capsule/builtins.ts';
import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import type { NodeInternals } from '../capture/internals.ts';
import type { World } from '../rebuild/world.ts';
import { describeHost, hiddenValue, type Adapter } from './adapter.ts';
import { addedListeners, addListeners } from './listeners.ts';
import { loadedInternal, loadedModule, needInternal, needModule, type Maker } from './loaded.ts';
import { standardStream } from './standardStreams.ts';

/** What Node.js keeps under symbols on an interface: descriptions, and variables of its module. */
const hidden: Record<string, string> = {
  _questionCallback: 'kQuestionCallback',
  _questionReject: 'kQuestionReject',
  _oldPrompt: 'kOldPrompt',
  _line_buffer: 'kLine_buffer',
  'line object stream': 'kLineObjectStream',
  _decoder: 'kDecoder',
};

/** Options that an interface has as properties. */
const options = [
  'terminal',
  'historySize',
  'removeHistoryDuplicates',
  'crlfDelay',
  'escapeCodeTimeout',
  'tabSize',
  'completer',
];

interface LiveInterface extends Interface {
  readonly input: object;
  readonly output: object | undefined;
  readonly history?: readonly string[];
  readonly paused?: boolean;
  readonly closed?: boolean;
}

/** What the classes of both modules are derived from, and what `FileHandle.readLines` makes. */
const common = 'internal/readline/interface';

const modules = ['readline', 'readline/promises', common];

function makerIn(module: string, internals: NodeInternals): Maker | undefined {
  const exported = module === common ? loadedInternal(internals, common) : loadedModule(module);
  return exported?.['Interface'] as Maker | undefined;
}

/** The same, in a process in which a program is rebuilt. */
function needMaker(module: string): Maker {
  const exported = module === common ? needInternal(common) : needModule(module);
  return exported?.['Interface'] as Maker;
}

/** Properties that an interface gets in the course of its life, or with the terminal that it has. */
const later = new Set([
  'closed',
  'paused',
  'cursor',
  'historyIndex',
  'isFlushing',
  'history',
  'historySize',
  'removeHistoryDuplicates',
]);

/** What an interface listens to on its input and its output. */
const listened = ['data', 'keypress', 'error', 'end', 'resize'];

/** Interfaces of readline. They read where the program goes on from the streams that they had. */
export const readlines: Adapter = {
  host: 'readline',
  prototypes: (internals) =>
    modules.map((module) => makerIn(module, internals)?.prototype as object | undefined),
  record(graph, object) {
    const lines = object as LiveInterface;
    const { internals } = graph;
    const module =
      modules.find((each) => lines instanceof (makerIn(each, internals) ?? Map)) ?? common;
    const fresh = new (makerIn(module, internals) as new (options: ReadLineOptions) => Interface)({
      input: new PassThrough(),
    });
    const given = (key: string): [Value, Value] => [key, graph.value(Reflect.get(lines, key), key)];
    const record = describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'readline',
        state: {
          module,
          input: graph.value(lines.input, 'input'),
          output: graph.value(lines.output, 'output'),
          options: options.filter((key) => Reflect.get(lines, key) !== undefined).map(given),
          prompt: lines.getPrompt(),
          history: [...(lines.history ?? [])],
          line: lines.line,
          cursor: lines.cursor ?? 0,
          paused: lines.paused === true,
          closed: lines.closed === true,
          hidden: Object.keys(hidden).map((name): [Value, Value] => [
            name,
            graph.value(hiddenValue(lines, name), name),
          ]),
          listeners: addedListeners(graph, lines, fresh),
          onInput: attached(graph, lines, lines.input),
          onOutput: attached(graph, lines, lines.output),
        },
      },
      fresh,
      Object.keys(hidden),
    );
    const props = (record.props ?? []).filter(([key]) => !later.has(String(key)));
    if (props.length > 0) record.props = props;
    else delete record.props;
    fresh.close();
    return record;
  },
  shell(_world, record) {
    const { prototype } = needMaker(String(record.state['module']));
    const object = Object.create(prototype as object) as EventEmitter;
    EventEmitter.call(object);
    return object;
  },
  start(world, object, { state }) {
    const lines = object as Interface;
    const own = object as Record<string | symbol, unknown>;
    const input = world.value(state['input']) as Readable;
    const output = world.value(state['output']) as EventEmitter | undefined;
    detach(world, input, state['onInput']);
    detach(world, output, state['onOutput']);
    const given = (state['options'] as [string, Value][]).map(([key, value]) => [
      key,
      world.value(value),
    ]);
    const isClosed = state['closed'] === true;
    const wasPaused = input.isPaused();
    Reflect.apply(interfaceConstructor(), lines, [
      {
        ...(Object.fromEntries(given) as object),
        input: isClosed ? new PassThrough() : input,
        output,
        prompt: state['prompt'],
        history: [...(state['history'] as string[])],
        ...(isClosed ? { terminal: false } : {}),
      },
    ]);
    if (isClosed) {
      lines.close();
      own['input'] = input;
    } else if (state['paused'] === true) lines.pause();
    else if (wasPaused) input.pause();
    own['line'] = state['line'];
    if (state['cursor'] !== 0) own['cursor'] = state['cursor'];
    for (const [name, value] of state['hidden'] as [string, Value][]) {
      const live = world.value(value);
      const symbol = resolveSymbol(
        corePath('node:internal/readline/interface', hidden[name] ?? name),
      );
      if (live !== undefined && symbol !== undefined) own[symbol] = live;
    }
    addListeners(world, lines, state['listeners']);
  },
};

/** What all classes of interfaces are made by. */
function interfaceConstructor(): () => void {
  return Object.getPrototypeOf(needMaker(common)) as () => void;
}

/** The interface that a function of readline works for; undefined for other functions. */
export function interfaceOf(graph: Graph, listener: object): object | undefined {
  if (graph.heap.script(listener)?.url.includes('readline') !== true) return undefined;
  const makers = modules
    .map((module) => makerIn(module, graph.internals))
    .filter((each) => each !== undefined);
  for (const { object } of graph.inspection.internals(listener).scopes) {
    for (const name of ['self', 'iface']) {
      const found = Reflect.getOwnPropertyDescriptor(object, name)?.value as unknown;
      if (makers.some((maker) => found instanceof maker)) return found as object;
    }
  }
  return undefined;
}

/** What an interface has put on a stream that is carried with its listeners: it is put there anew. */
function attached(graph: Graph, lines: object, stream: object | undefined): [Value, Value][] {
  if (!(stream instanceof EventEmitter) || standardStream(stream) !== undefined) return [];
  return listened.flatMap((name) =>
    stream
      .rawListeners(name)
      .filter((each) => interfaceOf(graph, each) === lines)
      .map((each): [Value, Value] => [name, graph.value(each, name)]),
  );
}

function detach(world: World, stream: EventEmitter | undefined, state: unknown): void {
  for (const [name, listener] of state as [string, Value][])
    stream?.off(name, world.value(listener) as () => void);
}
