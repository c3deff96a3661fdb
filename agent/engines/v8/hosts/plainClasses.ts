import type { NodeInternals } from '../capture/internals.ts';
import { loadedInternal, loadedModule } from './loaded.ts';

/** Classes of Node.js whose objects are made of nothing but their properties, the same in every version. */
const names: Record<string, readonly string[]> = {
  stream: ['Readable', 'Writable', 'Duplex', 'Transform', 'PassThrough'],
  string_decoder: ['StringDecoder'],
};

/** The same, in a module that Node.js keeps for itself. */
const fileStreams = 'internal/fs/streams';

/** Their prototypes, of those that the program has loaded. */
export function plainClasses(internals: NodeInternals): ReadonlySet<object> {
  const found = new Set<object>();
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
  const files = loadedInternal(internals, fileStreams) as
    Record<string, { prototype: object }> | undefined;
  for (const name of ['ReadStream', 'WriteStream']) {
    const made = files?.[name];
    if (made !== undefined) found.add(made.prototype);
  }
  for (const state of [Readable?.ReadableState, Writable?.WritableState]) {
    if (state !== undefined) found.add(state.prototype);
  }
  return found;
}
