import type { Value } from '../capsule/format.ts';
import type { World } from '../rebuild/world.ts';
import { describeHost, privateValue, type Adapter } from './adapter.ts';

export const urls: Adapter = {
  host: 'url',
  prototypes: () => [URL.prototype],
  record(graph, object) {
    const { href } = object as URL;
    const params = graph.value(privateValue(graph, object, '#searchParams'), 'searchParams');
    const state = { href, params };
    return describeHost(graph, object, { k: 'host', host: 'url', state }, new URL('http://x'));
  },
  shell(world, record) {
    const url = world.construct(record, URL, [record.state['href']]) as URL;
    const params = world.idOf(record.state['params']);
    if (params > 0) world.made(params, url.searchParams);
    return url;
  },
};

/** By the id of parameters, the URL that they belong to. */
const owners = new WeakMap<World, Map<number, number>>();

function ownerOf(world: World, params: number): number | undefined {
  let known = owners.get(world);
  if (known === undefined) {
    known = new Map();
    for (const [id, { state }] of world.hosts('url')) known.set(world.idOf(state['params']), id);
    owners.set(world, known);
  }
  return known.get(params);
}

export const searchParams: Adapter = {
  host: 'searchParams',
  prototypes: () => [URLSearchParams.prototype],
  record: (graph, object) =>
    describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'searchParams',
        state: { list: [...(object as URLSearchParams)].flat() },
      },
      new URLSearchParams(),
    ),
  shell(world, record, id) {
    const owner = ownerOf(world, id);
    if (owner !== undefined) {
      world.get(owner);
      return world.peek(id);
    }
    return world.construct(record, URLSearchParams, []);
  },
  fill(_world, object, { state }) {
    const params = object as URLSearchParams;
    const list = (state['list'] as Value[]).map(String);
    const same = [...params].flat().join('\0') === list.join('\0');
    if (same) return;
    for (const key of [...params.keys()]) params.delete(key);
    for (let index = 0; index < list.length; index += 2) {
      params.append(list[index] ?? '', list[index + 1] ?? '');
    }
  },
};

const iterator = (): object => new URLSearchParams().entries();

export const searchParamsIterators: Adapter = {
  host: 'searchParamsIterator',
  prototypes: () => [Object.getPrototypeOf(iterator()) as object],
  record(graph, object) {
    const [target, kind, index] = ['#target', '#kind', '#index'].map((name) =>
      privateValue(graph, object, name),
    );
    if (!(target instanceof URLSearchParams) || typeof index !== 'number') {
      throw graph.refuse('an iterator over parameters whose place is not known');
    }
    const yields = kind === 'key' ? 'keys' : kind === 'value' ? 'values' : 'entries';
    const state = { target: graph.value(target, 'target'), yields, index };
    const record = { k: 'host', host: 'searchParamsIterator', state } as const;
    return describeHost(graph, object, record, iterator());
  },
  shell(world, { state }) {
    const target = world.value(state['target']) as URLSearchParams;
    return target[state['yields'] as 'keys' | 'values' | 'entries']();
  },
  fill(world, object, { state }) {
    const size = [...(world.value(state['target']) as URLSearchParams)].length;
    // It counts in twos.
    const steps = Math.min(Number(state['index']) / 2, size + 1);
    for (let step = 0; step < steps; step += 1) (object as Iterator<unknown>).next();
  },
};
