import { types } from 'node:util';
import type { BuiltinList } from '../capsule/builtins.ts';
import { isLoaded } from '../hosts/loaded.ts';
import { Inspection } from './inspection.ts';
import { forgetNatives, nativeFunctions } from './natives.ts';

// A Node.js from 22 on has globals that look like values and are loaded by whoever looks at them, be it at the
// descriptor: `FormData` loads all of `fetch`, which calls functions that the program may have replaced.

/**
 * The names of globals that have not been loaded and not been replaced; loads none.
 * @param realm the global object of a realm in which nothing is changed
 */
function unloadedGlobals(names: readonly string[], realm: object): string[] {
  const proto = Object.getPrototypeOf(globalThis) as object | null;
  if (proto === null || types.isProxy(proto)) return [];
  const { __lookupGetter__: lookup } = (
    realm as { Object: { prototype: { __lookupGetter__: (key: string) => unknown } } }
  ).Object.prototype;
  const mark = (): undefined => undefined;
  return names.filter((name) => {
    if (!Object.hasOwn(globalThis, name) || Object.hasOwn(proto, name)) return false;
    // The look-up ends at a value or an accessor, and passes by what is neither.
    if (!Reflect.defineProperty(proto, name, { get: mark, configurable: true })) return false;
    try {
      return lookup.call(globalThis, name) === mark;
    } finally {
      Reflect.deleteProperty(proto, name);
    }
  });
}

/** Lists the builtins together with the globals that are loaded late; to be called in a process that has run nothing else. */
export function listWithLazy(list: () => Omit<BuiltinList, 'lazy'>): BuiltinList {
  const unloaded = unloadedGlobals(Object.getOwnPropertyNames(globalThis), globalThis);
  const builtins = list();
  const inspection = new Inspection();
  inspection.listScripts();
  const { scriptId } = nativeFunctions();
  const lazy = unloaded.flatMap((name): [string, string][] => {
    const value = Reflect.getOwnPropertyDescriptor(globalThis, name)?.value as unknown;
    const script = typeof value === 'function' ? scriptId(value) : -1;
    const url = script < 0 ? '' : inspection.nameOf(script);
    // Those of each context have no module of their own.
    const isModule = url.startsWith('node:') && !url.includes('/per_context/');
    return isModule ? [[name, url.slice('node:'.length)]] : [];
  });
  forgetNatives();
  inspection.dispose();
  return { ...builtins, lazy };
}

/** Globals that neither the program nor Node.js can have anything of, since the module that makes them is not loaded. */
export function pendingGlobals({ lazy }: BuiltinList, realm: object): ReadonlySet<string> {
  const names = lazy.flatMap(([name, id]) => (isLoaded(id) ? [] : [name]));
  return new Set(unloadedGlobals(names, realm));
}
