import { AsyncLocalStorage } from 'node:async_hooks';
import type { Value } from '../capsule/format.ts';
import { storageClass } from '../capture/asyncFrames.ts';
import { frameOfStores } from '../rebuild/asyncFrames.ts';
import { RebuildError } from '../rebuild/rebuildError.ts';
import { describeHost, privateValue, type Adapter } from './adapter.ts';
import { loadedInternal, type Maker } from './loaded.ts';

interface StorageOptions {
  readonly defaultValue?: unknown;
  readonly name?: unknown;
}

export const asyncStorages: Adapter = {
  host: 'asyncStorage',
  prototypes: () => [storageClass()?.prototype as object | undefined],
  record(graph, object) {
    const maker = storageClass() as new () => object;
    if (String(maker).includes('async_local_storage_context_symbol')) {
      throw graph.refuse('an AsyncLocalStorage of a Node.js that was told to do without frames', {
        hint: 'Start the program without --no-async-context-frame.',
      });
    }
    const { enabled } = object as { enabled?: boolean };
    const state = {
      defaultValue: graph.value(privateValue(graph, object, '#defaultValue'), 'defaultValue'),
      name: graph.value(privateValue(graph, object, '#name'), 'name'),
      enabled: enabled === true,
    };
    return describeHost(graph, object, { k: 'host', host: 'asyncStorage', state }, new maker());
  },
  shell(world, record) {
    const [defaultValue, name] = [record.state['defaultValue'], record.state['name']].map((each) =>
      world.value(each),
    );
    const options: StorageOptions = {
      ...(defaultValue === undefined ? {} : { defaultValue }),
      ...(name === undefined ? {} : { name }),
    };
    const storage = world.construct(record, AsyncLocalStorage, [options]);
    if ((storage as AsyncLocalStorage<unknown>).getStore() !== defaultValue) {
      throw new RebuildError('this Node.js has no default values of AsyncLocalStorage');
    }
    return storage;
  },
};

/** What storages have where something goes on. */
export const asyncFrames: Adapter = {
  host: 'asyncFrame',
  prototypes(internals) {
    const maker = loadedInternal(internals, 'internal/async_context_frame') as unknown;
    return [(maker as Maker | undefined)?.prototype as object | undefined];
  },
  record(graph, object) {
    const entries = [...(object as Map<object, unknown>)]
      // A storage that was left has undefined, which only one with a default value tells from nothing.
      .filter(
        ([storage, store]) =>
          store !== undefined || privateValue(graph, storage, '#defaultValue') !== undefined,
      )
      .map(([storage, store]): [Value, Value] => [
        graph.value(storage, 'storage'),
        graph.value(store, 'store'),
      ]);
    return { k: 'host', host: 'asyncFrame', state: { entries } };
  },
  shell: (world, { state }) => frameOfStores(world, state['entries'] as [Value, Value][]),
};
