import { tracingChannel } from 'node:diagnostics_channel';
import type { Value } from '../capsule/format.ts';
import { describeHost, type Adapter } from './adapter.ts';

const names = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;

const sample = tracingChannel('flick');

/** Five channels under one name. Up to Node.js 24 they are properties of it, later it keeps most of them to itself. */
export const tracingChannels: Adapter = {
  host: 'tracingChannel',
  prototypes: () => [Object.getPrototypeOf(sample) as object],
  record(graph, object) {
    const channels = names.map((name): [Value, Value] => [
      name,
      graph.value(Reflect.get(object, name), name),
    ]);
    const record = { k: 'host', host: 'tracingChannel', state: { channels } } as const;
    return describeHost(graph, object, record, sample);
  },
  shell(world, { state }) {
    const channels = state['channels'] as [string, Value][];
    return tracingChannel(
      Object.fromEntries(channels.map(([name, value]) => [name, world.value(value)])) as never,
    );
  },
};
