import { loadedModule } from './loaded.ts';

/** Classes of Node.js whose objects are made of nothing but their properties, the same in every version. */
const names: Record<string, readonly string[]> = {
  stream: ['Readable', 'Writable', 'Duplex', 'Transform', 'PassThrough'],
  string_decoder: ['StringDecoder'],
};

let found: Set<object> | undefined;

/** Their prototypes, of those that the program has loaded. */
export function plainClasses(): ReadonlySet<object> {
  if (found !== undefined) return found;
  found = new Set();
  for (const [module, classes] of Object.entries(names)) {
    const exported = loadedModule(module);
    for (const name of classes) {
      const { prototype } = (exported?.[name] ?? {}) as { prototype?: object };
      if (prototype !== undefined) found.add(prototype);
    }
  }
  const { Readable, Writable } = (loadedModule('stream') ?? {}) as Record<
    string,
    { ReadableState?: { prototype: object }; WritableState?: { prototype: object } } | undefined
  >;
  for (const state of [Readable?.ReadableState, Writable?.WritableState]) {
    if (state !== undefined) found.add(state.prototype);
  }
  return found;
}
