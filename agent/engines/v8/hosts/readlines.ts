import type { Interface, ReadLineOptions } from 'node:readline';
import { PassThrough } from 'node:stream';
import { corePath, resolveBuiltin } from '../capsule/builtins.ts';
import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import { describeHost, hiddenValue, type Adapter } from './adapter.ts';
import { addedListeners, addListeners } from './listeners.ts';
import { loadedModule, needModule, type Maker } from './loaded.ts';

/** What Node.js keeps under symbols on an interface: descriptions, and variables of its module. */
const hidden: Record<string, string> = {
  _questionCallback: 'kQuestionCallback',
  _questionReject: 'kQuestionReject',
  _oldPrompt: 'kOldPrompt',
  _line_buffer: 'kLine_buffer',
  '_line object stream': 'kLineObjectStream',
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

const modules = ['readline', 'readline/promises'];

function makerIn(module: string): Maker | undefined {
  return loadedModule(module)?.['Interface'] as Maker | undefined;
}

/** Interfaces of readline. They read where the program goes on from the streams that they had. */
export const readlines: Adapter = {
  host: 'readline',
  prototypes: () => modules.map((module) => makerIn(module)?.prototype as object | undefined),
  record(graph, object) {
    const lines = object as LiveInterface;
    const module = modules.find((each) => lines instanceof (makerIn(each) ?? Map)) ?? 'readline';
    const fresh = new (makerIn(module) as new (options: ReadLineOptions) => Interface)({
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
        },
      },
      fresh,
      Object.keys(hidden),
    );
    record.props = (record.props ?? []).filter(([key]) => !later.has(String(key)));
    fresh.close();
    return record;
  },
  shell(_world, { state }) {
    const { prototype } = needModule(String(state['module']))['Interface'] as Maker;
    return Object.create(prototype as object) as object;
  },
  start(world, object, { state }) {
    const lines = object as Interface;
    const own = object as Record<string | symbol, unknown>;
    const given = (state['options'] as [string, Value][]).map(([key, value]) => [
      key,
      world.value(value),
    ]);
    const input = world.value(state['input']);
    const isClosed = state['closed'] === true;
    const make = resolveBuiltin(
      corePath('node:internal/readline/interface', 'InterfaceConstructor'),
    );
    Reflect.apply(make as () => void, lines, [
      {
        ...(Object.fromEntries(given) as object),
        input: isClosed ? new PassThrough() : input,
        output: world.value(state['output']),
        prompt: state['prompt'],
        history: [...(state['history'] as string[])],
      },
    ]);
    if (isClosed) {
      lines.close();
      own['input'] = input;
    } else if (state['paused'] === true) lines.pause();
    own['line'] = state['line'];
    if (state['cursor'] !== 0) own['cursor'] = state['cursor'];
    for (const [name, value] of state['hidden'] as [string, Value][]) {
      const live = world.value(value);
      const symbol = resolveBuiltin(
        corePath('node:internal/readline/interface', hidden[name] ?? name),
      ) as unknown;
      if (live !== undefined && typeof symbol === 'symbol') own[symbol] = live;
    }
    addListeners(world, lines, state['listeners']);
  },
};

/** Properties that an interface gets in the course of its life. */
const later = new Set(['closed', 'paused', 'cursor', 'historyIndex', 'isFlushing']);

/** The interface that a function of readline works for; undefined for other functions. */
export function interfaceOf(graph: Graph, listener: object): object | undefined {
  if (graph.heap.script(listener)?.url.includes('readline') !== true) return undefined;
  const maker = makerIn('readline') ?? makerIn('readline/promises');
  if (maker === undefined) return undefined;
  for (const { object } of graph.inspection.internals(listener).scopes) {
    for (const name of ['self', 'iface']) {
      const found = Reflect.getOwnPropertyDescriptor(object, name)?.value as unknown;
      if (typeof found === 'object' && found !== null) return found;
    }
  }
  return undefined;
}
