import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { frameOf } from '../capture/asyncFrames.ts';
import { isUserFunction } from '../capture/functions.ts';
import type { Graph } from '../capture/graph.ts';
import { giveFrame, within } from '../rebuild/asyncFrames.ts';
import { describeHost, type Adapter, type HostRecord } from './adapter.ts';
import { loadedModule, type Maker } from './loaded.ts';

const module = 'async_hooks';

/**
 * In what Node.js runs a callback that it calls later. It has numbers, which are others after the move, and the stores of where it was made.
 */
export const asyncResources: Adapter = {
  host: 'asyncResource',
  prototypes: () => [
    (loadedModule(module)?.['AsyncResource'] as Maker | undefined)?.prototype as object | undefined,
  ],
  record(graph, object) {
    const frame = frameOf(graph, object);
    const state = frame === undefined ? {} : { frame };
    // Known to hooks that ran when it was made, or to storages.
    const hidden = ['destroyed', 'kResourceStore'];
    const fresh = new AsyncResource('fresh', { requireManualDestroy: true });
    return describeHost(graph, object, { k: 'host', host: 'asyncResource', state }, fresh, hidden);
  },
  shell(world, record) {
    const make = (): object =>
      world.construct(record, AsyncResource, ['rebuilt', { requireManualDestroy: true }]);
    const made = within(world, record.state['frame'] as [number] | undefined, make);
    giveFrame(world, record.state['frame'] as [number] | undefined, made);
    return made;
  },
};

const ofNode = new Set<string | symbol>(['length', 'name', 'prototype', 'asyncResource']);

/** What `bind` of a resource and `snapshot` of storages return; undefined for other functions. */
export function boundRecord(graph: Graph, f: object): HostRecord | undefined {
  if (graph.heap.script(f)?.url !== `node:${module}`) return undefined;
  if ((f as { name: string }).name !== 'bound') return undefined;
  const scopes = graph.inspection.internals(f).scopes.map(({ object }) => object);
  const variable = (name: string): unknown =>
    scopes
      .map((each) => Reflect.getOwnPropertyDescriptor(each, name)?.value as unknown)
      .find((each) => each !== undefined);
  const [fn, resource, self] = [variable('fn'), variable('resource'), variable('self')];
  if (typeof fn !== 'function' || !(resource instanceof AsyncResource)) return undefined;
  if (self !== undefined && self !== resource) return undefined;
  const state = { resource: graph.value(resource, 'resource') };
  const record: HostRecord = {
    k: 'host',
    host: 'bound',
    // What a snapshot calls with is a function of Node.js's own.
    state: isOfSnapshot(graph, fn) ? state : { ...state, fn: graph.value(fn, 'function') },
  };
  const props = graph.properties(f, (key) => ofNode.has(key));
  if (props.length > 0) record.props = props;
  return record;
}

function isOfSnapshot(graph: Graph, fn: object): boolean {
  const url = graph.heap.script(fn)?.url ?? '';
  if (isUserFunction(graph, fn)) return false;
  return url === `node:${module}` || url.startsWith('node:internal/async_local_storage/');
}

export const boundFunctions: Adapter = {
  host: 'bound',
  shell(world, { state }) {
    const resource = world.value(state['resource']) as AsyncResource;
    if (!('fn' in state)) return resource.runInAsyncScope(() => AsyncLocalStorage.snapshot());
    return AsyncResource.prototype.bind.call(resource, world.value(state['fn']) as () => void);
  },
};
