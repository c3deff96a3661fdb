import { corePath, exportPath, wellKnownName } from '../capsule/builtins.ts';
import { isLoaded } from '../hosts/loaded.ts';
import { isOnlyNewer } from './coreFunctions.ts';
import type { Graph } from './graph.ts';

/** The function that says to be the maker of objects with a prototype. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
export function makerOf(prototype: object): Function | undefined {
  const maker = Reflect.getOwnPropertyDescriptor(prototype, 'constructor')?.value as unknown;
  if (typeof maker !== 'function') return undefined;
  return Reflect.getOwnPropertyDescriptor(maker, 'prototype')?.value === prototype
    ? maker
    : undefined;
}

/** The module of Node.js that a function stands in; undefined for others. */
function coreUrl(graph: Graph, f: object): string | undefined {
  if (graph.natives.script(f) === undefined) return undefined;
  const url = graph.heap.script(f)?.url;
  return url?.startsWith('node:') === true ? url : undefined;
}

/** Whether an object is the prototype of a class of Node.js or JavaScript. */
export function isCorePrototype(graph: Graph, prototype: object): boolean {
  if (graph.builtins.indexOf.has(prototype)) return true;
  const maker = makerOf(prototype);
  return maker !== undefined && coreUrl(graph, maker) !== undefined;
}

/** Whether an object is what a module of Node.js exports: what is made with it as its prototype is like any other object. */
export function isCoreModule(graph: Graph, object: object): boolean {
  const index = graph.builtins.indexOf.get(object);
  if (index === undefined || typeof object === 'function') return false;
  return /^module [^\n]*$/.test(graph.builtins.paths(index)[0] ?? '');
}

/** Ways to the prototype of a class that Node.js keeps for itself; undefined for other objects. */
export function corePrototype(graph: Graph, object: object): string[] | undefined {
  if (typeof object === 'function' || !Object.hasOwn(object, 'constructor')) return undefined;
  const maker = makerOf(object);
  const url = maker === undefined ? undefined : coreUrl(graph, maker);
  if (maker === undefined || url === undefined || isOnlyNewer(url, maker.name)) return undefined;
  const exported = isLoaded(url.slice(5))
    ? exportPath(url, graph.internals.require(url.slice(5)), maker)
    : undefined;
  const paths = exported === undefined ? graph.variableOfCore(maker) : [exported];
  return paths?.map((path) => `${path}\n.prototype`);
}

/**
 * Gives the symbols that an object of a class of Node.js has as keys the names that they have in its modules.
 * @throws {Refusal} when it has private members, which nobody but its class can make
 */
export function checkCoreClass(graph: Graph, object: object): void {
  const makers: object[] = [];
  for (
    let proto = Object.getPrototypeOf(object) as object | null;
    proto !== null && proto !== Object.prototype;
    proto = Object.getPrototypeOf(proto) as object | null
  ) {
    const maker = makerOf(proto);
    if (maker === undefined || coreUrl(graph, maker) === undefined) continue;
    makers.push(maker);
    if (/^class\b/.test(String(maker)) && /[^\w]#\w/.test(String(maker))) {
      throw graph.refuse(`a ${maker.name}, which cannot be carried`, {
        hint: 'Close it or let go of it before the move.',
      });
    }
  }
  if (makers.length === 0) return;
  graph.noteListeners(object);
  for (const symbol of Object.getOwnPropertySymbols(object)) {
    const isNamed =
      graph.isNamedSymbol(symbol) ||
      wellKnownName(symbol) !== undefined ||
      Symbol.keyFor(symbol) !== undefined;
    if (!isNamed) nameSymbol(graph, symbol, makers);
  }
}

function nameSymbol(graph: Graph, symbol: symbol, makers: readonly object[]): void {
  for (const maker of makers) {
    const url = coreUrl(graph, maker);
    const scope = graph.inspection
      .internals(maker)
      .scopes.filter(({ description }) => !description.startsWith('Global'))
      .at(-1)?.object;
    if (url === undefined || scope === undefined) continue;
    for (const name of Object.getOwnPropertyNames(scope)) {
      if (Reflect.getOwnPropertyDescriptor(scope, name)?.value !== symbol) continue;
      graph.nameSymbol(symbol, corePath(url, name));
      return;
    }
  }
}
