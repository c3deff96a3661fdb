import type { PropertyRecord, Value } from '../capsule/format.ts';
import type { Adapter, HostRecord } from './adapter.ts';

type Answers = ReadonlyMap<string, unknown>;

/** Where a call site that was made again keeps what it answers. */
const mark = '$flickCallSite';

/** The prototype of what `Error.prepareStackTrace` is given; there is no other way to it. */
function callSitePrototype(): object | undefined {
  const names = ['prepareStackTrace', 'stackTraceLimit'] as const;
  const before = names.map((name) => Reflect.getOwnPropertyDescriptor(Error, name));
  let found: object | undefined;
  try {
    Error.stackTraceLimit = 1;
    Object.defineProperty(Error, 'prepareStackTrace', {
      value: (_error: unknown, [site]: object[]) => (found = site),
      configurable: true,
      writable: true,
    });
    void new Error().stack;
  } catch {
    // The program has made `Error` immutable.
  }
  names.forEach((name, index) => {
    const descriptor = before[index];
    if (descriptor === undefined) Reflect.deleteProperty(Error, name);
    else Reflect.defineProperty(Error, name, descriptor);
  });
  return found === undefined ? undefined : (Object.getPrototypeOf(found) as object);
}

/** The methods of call sites. None of them takes anything. */
function questions(prototype: object): string[] {
  return Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');
}

function answersOf(site: object): Answers {
  const kept = Reflect.getOwnPropertyDescriptor(site, mark)?.value as Answers | undefined;
  if (kept !== undefined) return kept;
  const prototype = Object.getPrototypeOf(site) as object;
  return new Map(
    questions(prototype).map((name) => [
      name,
      (Reflect.get(prototype, name) as () => unknown).call(site),
    ]),
  );
}

let standIn: object | undefined;

/** What call sites that were made again inherit from: a call site of V8 stands for a frame of its own process only. */
function standInPrototype(names: readonly string[]): object {
  const real = callSitePrototype() ?? Object.prototype;
  standIn ??= Object.create(real) as object;
  for (const name of new Set([...questions(real), ...names])) {
    if (Object.hasOwn(standIn, name)) continue;
    const value = function (this: object): unknown {
      return answersOf(this).get(name);
    };
    Object.defineProperty(standIn, name, { value, writable: true, configurable: true });
  }
  return standIn;
}

function state({ state: { answers } }: HostRecord): readonly [string, Value][] {
  return answers as [string, Value][];
}

/** What some libraries keep of the stack of a call. It goes on saying what it said. */
export const callSites: Adapter = {
  host: 'callSite',
  prototypes: () => [callSitePrototype()],
  record(graph, object) {
    const answers = [...answersOf(object)].map(([name, answer]): [Value, Value] => [
      name,
      graph.value(answer, name),
    ]);
    const props: PropertyRecord[] = graph.properties(object, (key) => key === mark);
    return {
      k: 'host',
      host: 'callSite',
      state: { answers },
      ...(props.length > 0 ? { props } : {}),
    };
  },
  shell: (_world, record) =>
    Object.create(standInPrototype(state(record).map(([name]) => name))) as object,
  fill(world, object, record) {
    const answers = state(record).map(([name, value]) => [name, world.value(value)] as const);
    Object.defineProperty(object, mark, { value: new Map(answers) });
  },
};
