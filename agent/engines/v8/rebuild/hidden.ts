import type { Hidden } from '../capsule/builtins.ts';
import type { Inspection } from '../capture/inspection.ts';
import type { NodeInternals } from '../capture/internals.ts';

/** How variables of Node.js's own modules are read: by way of functions that see them. */
export function hiddenOf(inspection: Inspection, internals: NodeInternals): Hidden {
  let urls: ReadonlyMap<string, string> | undefined;
  const scopes = new Map<string, object | undefined>();

  /** The variables of a module, as a function of it sees them. */
  const moduleScope = (id: string): object | undefined => {
    urls ??= inspection.scriptUrls();
    for (const f of functionsOf(internals.require(id))) {
      const { scopes: seen, location } = inspection.internals(f);
      if (location === undefined) continue;
      // Asking for it may just have loaded it.
      if (!urls.has(location.scriptId)) urls = inspection.scriptUrls();
      if (urls.get(location.scriptId) !== `node:${id}`) continue;
      const outermost = seen.filter(({ description }) => !description.startsWith('Global')).at(-1);
      if (outermost !== undefined) return outermost.object;
    }
    return undefined;
  };

  return {
    variable(f, name) {
      for (const { object } of inspection.internals(f).scopes) {
        if (Object.hasOwn(object, name)) return Reflect.get(object, name) as unknown;
      }
      return undefined;
    },
    exportsOf: (id) => internals.require(id),
    ofModule(id, name) {
      if (!scopes.has(id)) scopes.set(id, moduleScope(id));
      const scope = scopes.get(id);
      if (scope === undefined || !Object.hasOwn(scope, name)) return undefined;
      return Reflect.get(scope, name) as unknown;
    },
  };
}

/** The functions that a module shows, and those of its classes. */
function* functionsOf(exported: unknown): Generator<object> {
  const isHolder = typeof exported === 'function' || typeof exported === 'object';
  if (!isHolder || exported === null) return;
  if (typeof exported === 'function') yield exported;
  const later: object[] = [];
  for (const key of Reflect.ownKeys(exported)) {
    if (key === 'caller' || key === 'arguments') continue;
    const descriptor = Reflect.getOwnPropertyDescriptor(exported, key);
    for (const value of [descriptor?.value, descriptor?.get, descriptor?.set] as unknown[]) {
      if (typeof value === 'function') {
        yield value;
        later.push(value);
      }
    }
  }
  for (const f of later) {
    const prototype = Reflect.getOwnPropertyDescriptor(f, 'prototype')?.value as unknown;
    if (typeof prototype === 'object' && prototype !== null) {
      for (const { value, get } of Object.values(Object.getOwnPropertyDescriptors(prototype))) {
        if (typeof value === 'function' && value !== f) yield value as object;
        if (typeof get === 'function') yield get as object;
      }
    }
  }
}
