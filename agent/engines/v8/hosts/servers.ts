import { Server as HttpServer } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import type { World } from '../rebuild/world.ts';
import {
  describeHost,
  hiddenValue,
  setHiddenValue,
  type Adapter,
  type HostRecord,
} from './adapter.ts';
import { addListeners, userListeners } from './listeners.ts';
import { acceptAt, reservePlace } from './places.ts';

/** Classes that a server of HTTP makes its requests and answers of. */
const classes = ['IncomingMessage', 'ServerResponse'];

/** @param fresh one of its class that the program has not seen */
export function serverRecord(
  graph: Graph,
  server: NetServer,
  host: string,
  fresh: NetServer,
): HostRecord {
  const address = server.address();
  const settings = Object.entries(Object.getOwnPropertyDescriptors(fresh)).flatMap(
    ([key, { value }]): [Value, Value][] => {
      const isSetting =
        !key.startsWith('_') && typeof value !== 'object' && typeof value !== 'function';
      return isSetting ? [[key, graph.value(Reflect.get(server, key), key)]] : [];
    },
  );
  const isPipe = typeof address === 'string';
  return describeHost(
    graph,
    server,
    {
      k: 'host',
      host,
      state: {
        listening: server.listening,
        ...(isPipe ? { path: address } : {}),
        address: isPipe || address === null ? null : address.address,
        port: isPipe || address === null ? null : address.port,
        unref: Reflect.get(server, '_unref') === true,
        listeners: userListeners(graph, server),
        settings,
        classes: classes.map((name) => graph.value(hiddenValue(server, name), name)),
      },
    },
    fresh,
    // What listening adds, under names and symbols of Node.js.
    [
      'kConnections',
      'kConnectionsCheckingInterval',
      'http.server.connections',
      'http.server.connectionsCheckingInterval',
    ],
  );
}

export function fillServer(world: World, object: object, { state }: HostRecord): void {
  for (const [key, value] of (state['settings'] ?? []) as [string, Value][]) {
    if (key in object) Reflect.set(object, key, world.value(value));
  }
  classes.forEach((name, index) => {
    const made = world.value((state['classes'] as Value[])[index]);
    if (made !== undefined) setHiddenValue(object, name, made);
  });
}

export function reserveServer(_world: World, object: object, { state }: HostRecord): void {
  if (state['listening'] === true) reservePlace(object as NetServer, state);
}

export function startServer(world: World, object: object, { state }: HostRecord): void {
  const server = object as NetServer;
  const listeners = (state['listeners'] ?? []) as [Value, Value][];
  if (state['listening'] !== true) {
    addListeners(world, server, listeners);
    return;
  }
  // That it listens is no news to the program.
  const isNews = ([name]: [Value, Value]): boolean => name === 'listening';
  addListeners(
    world,
    server,
    listeners.filter((each) => !isNews(each)),
  );
  server.once('listening', () => {
    process.nextTick(() => addListeners(world, server, listeners.filter(isNews)));
  });
  acceptAt(server, state);
  if (state['unref'] === true) server.unref();
}

export const netServers: Adapter = {
  host: 'netServer',
  prototypes: () => [NetServer.prototype],
  record: (graph, object) => serverRecord(graph, object as NetServer, 'netServer', new NetServer()),
  shell: (world, record) => world.construct(record, NetServer, []),
  fill: fillServer,
  reserve: reserveServer,
  start: startServer,
};

export const httpServers: Adapter = {
  host: 'httpServer',
  prototypes: () => [HttpServer.prototype],
  record: (graph, object) =>
    serverRecord(graph, object as HttpServer, 'httpServer', new HttpServer()),
  shell: (world, record) => world.construct(record, HttpServer, []),
  fill: fillServer,
  reserve: reserveServer,
  start: startServer,
};
