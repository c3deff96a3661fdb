import { createRequire } from 'node:module';

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
  const descriptor = Reflect.getOwnPropertyDescriptor(globalThis, name);
  if (descriptor === undefined) return undefined;
  const isThere = descriptor.get === undefined || isLoaded(module);
  return isThere ? (Reflect.get(globalThis, name) as Maker) : undefined;
}

export type Maker = new (...args: never[]) => object;

/** A module of Node.js, in a process in which a program is rebuilt. */
export function needModule(id: string): Record<string, unknown> {
  return load(`node:${id}`) as Record<string, unknown>;
}
