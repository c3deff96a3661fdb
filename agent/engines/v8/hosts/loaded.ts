import { createRequire } from 'node:module';
import { resolveBuiltin } from '../capsule/builtins.ts';
import type { NodeInternals } from '../capture/internals.ts';

const load = createRequire(import.meta.url);

/** Whether the program has a module of Node.js: asking for one that it has not would make it. */
export function isLoaded(id: string): boolean {
  const { moduleLoadList } = process as unknown as { moduleLoadList: readonly string[] };
  return moduleLoadList.includes(`NativeModule ${id}`);
}

/** A module of Node.js, when the program has it. */
export function loadedModule(id: string): Record<string, unknown> | undefined {
  return isLoaded(id) ? (load(`node:${id}`) as Record<string, unknown>) : undefined;
}

/** A class that Node.js has among its globals and loads when it is first asked for; undefined when it has not been. */
export function loadedGlobal(name: string, module: string): Maker | undefined {
  // To look at its descriptor would load it.
  if (!isLoaded(module) || !Object.hasOwn(globalThis, name)) return undefined;
  return Reflect.get(globalThis, name) as Maker;
}

export type Maker = new (...args: never[]) => object;

/** A module of Node.js, in a process in which a program is rebuilt. */
export function needModule(id: string): Record<string, unknown> {
  return load(`node:${id}`) as Record<string, unknown>;
}

/** What a module that Node.js keeps for itself exports, when the program has it. */
export function loadedInternal(
  internals: NodeInternals,
  id: string,
): Record<string, unknown> | undefined {
  return isLoaded(id) ? internals.require(id) : undefined;
}

/** What such a module exports, in a process in which a program is rebuilt; undefined where there is none. */
export function needInternal(id: string): Record<string, unknown> | undefined {
  return resolveBuiltin(`core ${id}\n=`) as Record<string, unknown> | undefined;
}
