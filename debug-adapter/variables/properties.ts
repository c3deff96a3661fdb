import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CdpThread, Protocol } from '../cdp.ts';
import { lengthOf } from './describe.ts';
import { namedOnly, slice } from './inProcess.ts';

type RemoteObject = Protocol.Runtime.RemoteObject;

/** One child, however it is held: an own property, a private one, or one that only the engine sees. */
export interface Property {
  readonly name: string;
  readonly value: RemoteObject | undefined;
  /** Function objects of an accessor. */
  readonly getter: RemoteObject | undefined;
  readonly setter: RemoteObject | undefined;
  /** The symbol itself, where that is the key. */
  readonly symbol: RemoteObject | undefined;
  readonly origin: 'own' | 'private' | 'internal';
  readonly enumerable: boolean;
  readonly writable: boolean;
}

export type Part =
  | { readonly kind: 'all' }
  | { readonly kind: 'named' }
  | { readonly kind: 'indexed'; readonly start: number; readonly count: number };

const get = { ownProperties: true, generatePreview: true };

/** The children of an object, or a part of them. One round trip, and no code of the program is run. */
export async function readProperties(
  thread: CdpThread,
  object: RemoteObject,
  part: Part,
  signal: AbortSignal,
): Promise<Property[]> {
  const { objectId } = object;
  if (objectId === undefined) return [];
  // Even asking a proxy for its keys would run its traps: only what the engine sees of it is shown.
  if (part.kind === 'all' || object.subtype === 'proxy') {
    const isProxy = object.subtype === 'proxy';
    const [found, accessors] = await Promise.all([
      thread.send('Runtime.getProperties', { objectId, ...get }, signal),
      isProxy ? [] : readInheritedGetters(thread, objectId, signal),
    ]);
    const all = propertiesOf(found, isProxy);
    const known = new Set(all.map(({ name }) => name));
    const first = all.findIndex(({ origin }) => origin === 'internal');
    const inherited = accessors.filter(({ name }) => !known.has(name));
    return all.toSpliced(first < 0 ? all.length : first, 0, ...inherited);
  }
  const call =
    part.kind === 'named'
      ? { functionDeclaration: namedOnly }
      : {
          functionDeclaration: slice,
          arguments: [{ value: part.start }, { value: part.count }],
        };
  const { properties } = await thread.send(
    'Flick.callAndGetProperties',
    { call: { objectId, silent: true, ...call }, get },
    signal,
  );
  if (properties === undefined) return [];
  const all = propertiesOf(properties, false);
  return part.kind === 'named' ? all : all.filter(({ origin }) => origin === 'own');
}

/** Getters of its class and the classes above it: to whoever uses the object they are its properties. */
async function readInheritedGetters(
  thread: CdpThread,
  objectId: string,
  signal: AbortSignal,
): Promise<Property[]> {
  const wanted = { objectId, ownProperties: false, accessorPropertiesOnly: true };
  const found = await thread.send('Runtime.getProperties', wanted, signal);
  const inherited = found.result.filter(({ isOwn }) => isOwn !== true);
  return propertiesOf({ result: inherited.map((each) => ({ ...each, isOwn: true })) }, false)
    .filter(({ getter, symbol }) => getter !== undefined && symbol === undefined)
    .map((each) => ({ ...each, enumerable: false }));
}

export function propertiesOf(
  { result, internalProperties, privateProperties }: Protocol.Runtime.GetPropertiesResponse,
  onlyInternal: boolean,
): Property[] {
  const own = onlyInternal
    ? []
    : result
        .filter(({ name, isOwn }) => isOwn !== false && name !== '__proto__')
        .map((each): Property => ({
          name: each.name,
          value: each.value,
          getter: each.get?.type === 'function' ? each.get : undefined,
          setter: each.set?.type === 'function' ? each.set : undefined,
          symbol: each.symbol,
          origin: 'own',
          enumerable: each.enumerable,
          writable: each.writable ?? each.set?.type === 'function',
        }));
  const hidden = (privateProperties ?? []).map((each): Property => ({
    name: each.name,
    value: each.value,
    getter: each.get?.type === 'function' ? each.get : undefined,
    setter: each.set?.type === 'function' ? each.set : undefined,
    symbol: undefined,
    origin: 'private',
    enumerable: false,
    writable: true,
  }));
  const internal = (internalProperties ?? []).map(({ name, value }): Property => ({
    name,
    value,
    getter: undefined,
    setter: undefined,
    symbol: undefined,
    origin: 'internal',
    enumerable: false,
    writable: false,
  }));
  return [...own, ...hidden, ...internal];
}

/** Most elements that are given at once, whatever is asked for. */
const maxPage = 10_000;
/** Lists longer than this are given in parts. */
export const pageSize = 100;

export function partOf(
  object: RemoteObject,
  { filter, start, count }: Pick<DebugProtocol.VariablesArguments, 'filter' | 'start' | 'count'>,
): Part {
  const length = lengthOf(object);
  if (length === undefined || length <= pageSize) {
    if (filter === 'indexed' && length !== undefined) {
      return { kind: 'indexed', start: start ?? 0, count: count ?? length };
    }
    return filter === 'named' && length !== undefined ? { kind: 'named' } : { kind: 'all' };
  }
  if (filter === 'named') return { kind: 'named' };
  return { kind: 'indexed', start: start ?? 0, count: Math.min(count || length, maxPage) };
}
