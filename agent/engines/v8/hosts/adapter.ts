import type { KindRecord, PropertyRecord } from '../capsule/format.ts';
import { isUserFunction } from '../capture/functions.ts';
import type { Graph } from '../capture/graph.ts';
import type { NodeInternals } from '../capture/internals.ts';
import type { World } from '../rebuild/world.ts';

export type HostRecord = Extract<KindRecord, { k: 'host' }>;

/**
 * Carries objects of one kind that Node.js keeps things in which reflection does not show. One half of it runs in the
 * program, the other one in the process where the program goes on.
 */
export interface Adapter {
  /** The name of its records. */
  readonly host: string;
  /** Prototypes of the classes that it carries, of those that the program has loaded. */
  prototypes?(internals: NodeInternals): readonly (object | undefined)[];
  /** @throws {Refusal} */
  record?(graph: Graph, object: object): HostRecord;
  /** Makes the object, empty; what it refers to may not be there yet. */
  shell(world: World, record: HostRecord, id: number): unknown;
  /** Gives it what belongs into it; every object is there, and nothing of the program runs yet. */
  fill?(world: World, object: object, record: HostRecord): void;
  /**
   * Takes what others on the device may have: nothing of the program runs yet, and where this fails nothing ever does.
   * @throws {RebuildError}
   */
  reserve?(world: World, object: object, record: HostRecord): void;
  /** Lets it go on. */
  start?(world: World, object: object, record: HostRecord, internals: NodeInternals): void;
}

/** The own symbol of an object with a description. */
export function symbolOf(object: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find((each) => each.description === description);
}

/** What an object has under a symbol of Node.js. */
export function hiddenValue(object: object, description: string): unknown {
  const symbol = symbolOf(object, description);
  return symbol === undefined ? undefined : (Reflect.get(object, symbol) as unknown);
}

/** Sets what an object has under a symbol of Node.js; one that this version does not have is left out. */
export function setHiddenValue(object: object, description: string, value: unknown): void {
  const symbol = symbolOf(object, description);
  if (symbol !== undefined) Reflect.set(object, symbol, value);
}

/**
 * A record with the class of an object and with what the program added to it.
 * @param fresh one that the program has added nothing to
 * @param hidden descriptions of symbols of Node.js that only some objects of the class have
 */
export function describeHost(
  graph: Graph,
  object: object,
  record: HostRecord,
  fresh: object,
  hidden: readonly string[] = [],
): HostRecord {
  const own = new Set(Reflect.ownKeys(fresh));
  const isKnown = (key: string | symbol): boolean => {
    if (typeof key === 'symbol' && hidden.includes(key.description ?? '')) return true;
    const value = Reflect.getOwnPropertyDescriptor(object, key)?.value as unknown;
    return own.has(key) && !(typeof value === 'function' && isUserFunction(graph, value));
  };
  if (Object.getPrototypeOf(object) === Object.getPrototypeOf(fresh)) {
    const props: PropertyRecord[] = graph.properties(object, isKnown);
    if (props.length > 0) record.props = props;
    return record;
  }
  graph.finish(record, object, isKnown);
  if (record.priv === undefined) return record;
  // Those of the class of Node.js come back with it.
  const theirs = graph.inspection.internals(fresh);
  const names = theirs.privates.map(([name]) => name);
  const others = record.priv.filter(([name]) => !names.includes(name));
  if (others.length + names.length !== record.priv.length) {
    throw graph.refuse('an object of a class with the same private names as that of Node.js');
  }
  const { hasPrivateMethods } = graph.inspection.internals(object);
  if (others.length > 0 || (hasPrivateMethods && !theirs.hasPrivateMethods)) record.priv = others;
  else delete record.priv;
  return record;
}

/** A private member of a class of Node.js. */
export function privateValue(graph: Graph, object: object, name: string): unknown {
  const { privates } = graph.inspection.internals(object);
  return privates.find(([each]) => each === name)?.[1];
}
