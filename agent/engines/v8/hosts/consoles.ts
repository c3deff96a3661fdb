import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import type { World } from '../rebuild/world.ts';
import { describeHost, hiddenValue, symbolOf, type Adapter } from './adapter.ts';
import type { Maker } from './loaded.ts';

interface LiveConsole {
  readonly _stdout: object;
  readonly _stderr: object;
  readonly _ignoreErrors: boolean;
  readonly _times: Map<string, unknown>;
}

const maker = console.Console as unknown as Maker;

/** Symbols that hold by how much lines are indented; versions of Node.js differ. */
const indentations = ['kGroupIndent', 'kGroupIndentationString', 'kGroupIndentation'];

/** Whether a property of a console is a part of its state. */
export function isConsoleState(key: string | symbol): boolean {
  return typeof key === 'symbol' && indentations.includes(key.description ?? '');
}

/** What a console counts, and how far it is indented. */
export function consoleState(graph: Graph, object: object): Record<string, Value | Value[]> {
  const counts = hiddenValue(object, 'counts') as Map<string, number> | undefined;
  const indent = indentations.map((name) => hiddenValue(object, name)).find(isText) ?? '';
  return {
    counts: [...(counts ?? [])].flat(),
    indent: indent.length,
    width: hiddenValue(object, 'kGroupIndentWidth') as number,
    // Those of `time` count from the start of a process.
    times: [...((object as LiveConsole)._times?.keys() ?? [])].map((each) =>
      graph.value(each, each),
    ),
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

export function restoreConsole(object: object, state: Record<string, unknown>): void {
  const counts = hiddenValue(object, 'counts') as Map<string, number> | undefined;
  const list = (state['counts'] ?? []) as (string | number)[];
  for (let index = 0; index < list.length; index += 2) {
    counts?.set(String(list[index]), Number(list[index + 1]));
  }
  const text = ' '.repeat(Number(state['indent'] ?? 0));
  for (const name of indentations) {
    const symbol = symbolOf(object, name);
    const isThere = symbol !== undefined && isText(Reflect.get(object, symbol));
    if (isThere) Object.defineProperty(object, symbol, { value: text });
  }
  for (const label of (state['times'] ?? []) as string[]) (object as Console).time(label);
}

/** Consoles that the program made; the global one is a builtin. */
export const consoles: Adapter = {
  host: 'console',
  prototypes: () => [maker.prototype as object],
  record(graph, object) {
    const { _stdout: out, _stderr: error, _ignoreErrors: ignoreErrors } = object as LiveConsole;
    return describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'console',
        state: {
          ...consoleState(graph, object),
          out: graph.value(out, 'stdout'),
          error: graph.value(error, 'stderr'),
          ignoreErrors,
          colours: graph.value(hiddenValue(object, 'kColorMode'), 'colorMode'),
        },
      },
      new maker(...([{ stdout: out, stderr: error }] as never[])),
    );
  },
  shell(world: World, record) {
    const { out, error, ignoreErrors, colours, width } = record.state;
    const options = {
      stdout: world.value(out),
      stderr: world.value(error),
      ignoreErrors,
      colorMode: world.value(colours),
      ...(typeof width === 'number' ? { groupIndentation: width } : {}),
    };
    return world.construct(record, maker, [options]);
  },
  fill: (_world, object, { state }) => restoreConsole(object, state),
};
