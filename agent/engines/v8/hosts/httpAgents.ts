import type { Agent } from 'node:http';
import type { Value } from '../capsule/format.ts';
import { describeHost, type Adapter } from './adapter.ts';
import { addedListeners, addListeners } from './listeners.ts';
import { loadedModule, needModule, type Maker } from './loaded.ts';

/** What the program may set on an agent. */
const settings = [
  'options',
  'defaultPort',
  'protocol',
  'keepAliveMsecs',
  'keepAlive',
  'maxSockets',
  'maxFreeSockets',
  'scheduling',
  'maxTotalSockets',
  'agentKeepAliveTimeoutBuffer',
];

function classIn(module: string): Maker | undefined {
  return loadedModule(module)?.['Agent'] as Maker | undefined;
}

/** Agents of `http` and `https`. The connections that they keep are dropped, as if the other end had closed them. */
export const httpAgents: Adapter = {
  host: 'agent',
  prototypes: () =>
    ['http', 'https'].map((module) => classIn(module)?.prototype as object | undefined),
  record(graph, object) {
    const agent = object as Agent;
    const isBusy = [agent.requests, agent.sockets].some((each) => Object.keys(each).length > 0);
    if (isBusy) throw graph.refuse('an agent with a request under way', { passing: true });
    const secure = classIn('https');
    const module = secure !== undefined && object instanceof secure ? 'https' : 'http';
    const fresh = new (classIn(module) as Maker)();
    const record = describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'agent',
        state: {
          module,
          listeners: addedListeners(graph, agent, fresh as Agent),
          settings: settings
            .filter((key) => key in agent)
            .map((key): [Value, Value] => [key, graph.value(Reflect.get(agent, key), key)]),
        },
      },
      fresh,
      ['timeout'],
    );
    return record;
  },
  shell: (world, record) =>
    world.construct(record, needModule(String(record.state['module']))['Agent'], []),
  fill(world, object, { state }) {
    for (const [key, value] of state['settings'] as [string, Value][]) {
      if (key in object) Reflect.set(object, key, world.value(value));
    }
    addListeners(world, object as Agent, state['listeners']);
  },
};
