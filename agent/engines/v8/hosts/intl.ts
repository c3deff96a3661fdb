import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import { describeHost, type Adapter, type HostRecord } from './adapter.ts';

type IntlMaker = new (locale: unknown, options?: object) => object;

interface Resolved {
  resolvedOptions(): Record<string, unknown>;
}

const names = [
  'NumberFormat',
  'DateTimeFormat',
  'PluralRules',
  'Collator',
  'ListFormat',
  'RelativeTimeFormat',
  'Segmenter',
  'DisplayNames',
  'DurationFormat',
] as const;

function makerNamed(name: string): IntlMaker | undefined {
  return Reflect.get(Intl, name) as IntlMaker | undefined;
}

/** Objects of Intl: the options that they came to make others like them. */
export const intlObjects: Adapter = {
  host: 'intl',
  prototypes: () => names.map((name) => makerNamed(name)?.prototype as object | undefined),
  record(graph, object) {
    const name = names.find((each) => object instanceof (makerNamed(each) ?? Map));
    if (name === undefined) throw graph.refuse('an object of Intl of an unknown kind');
    const { locale, ...options } = (object as Resolved).resolvedOptions();
    const state = {
      name,
      locale: String(locale),
      options: Object.entries(options).map(([key, value]): [Value, Value] => [
        key,
        graph.value(value, key),
      ]),
    };
    const Maker = makerNamed(name) as IntlMaker;
    const fresh = name === 'DisplayNames' ? new Maker('en', { type: 'region' }) : new Maker('en');
    return describeHost(graph, object, { k: 'host', host: 'intl', state }, fresh);
  },
  shell(world, record) {
    const { name, locale, options } = record.state;
    const entries = (options as [string, Value][]).map(([key, value]) => [key, world.value(value)]);
    const given = Object.fromEntries(entries) as Record<string, unknown>;
    // Says the same as `hourCycle`, and would win over it.
    if (given['hourCycle'] !== undefined) delete given['hour12'];
    return world.construct(record, makerNamed(String(name)), [locale, given]);
  },
};

/** Names of V8 for what `format` and `compare` give, and of the properties that give them. */
const functions: Record<string, string> = {
  NumberFormatInternalFormatNumber: 'format',
  DateTimeFormatInternalFormat: 'format',
  CollatorInternalCompare: 'compare',
};

/** The record of a function that belongs to an object of Intl; undefined for others. */
export function intlFunctionRecord(
  graph: Graph,
  builtin: string,
  node: number,
): HostRecord | undefined {
  const property = functions[builtin];
  if (property === undefined) return undefined;
  const { snapshot } = graph.heap;
  for (const { to } of snapshot.edges(snapshot.follow(node, 'context'))) {
    const live = snapshot.type(to) === 'object' ? graph.heap.liveOf(to) : undefined;
    if (graph.hosts.adapters.of(live === undefined ? null : prototypeOf(live)) !== intlObjects) {
      continue;
    }
    return { k: 'host', host: 'intlFunction', state: { of: graph.value(live, 'of'), property } };
  }
  return undefined;
}

function prototypeOf(value: unknown): object | null {
  return typeof value === 'object' && value !== null
    ? (Object.getPrototypeOf(value) as object | null)
    : null;
}

export const intlFunctions: Adapter = {
  host: 'intlFunction',
  shell: (world, { state }) =>
    Reflect.get(world.value(state['of']) as object, String(state['property'])) as unknown,
};
