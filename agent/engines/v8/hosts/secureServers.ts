import type { Server as HttpsServer } from 'node:https';
import type { Server as TlsServer } from 'node:tls';
import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import type { World } from '../rebuild/world.ts';
import { hiddenValue, setHiddenValue, type Adapter, type HostRecord } from './adapter.ts';
import { loadedModule, needModule, type Maker } from './loaded.ts';
import { fillServer, reserveServer, serverRecord, startServer } from './servers.ts';

type SecureServer = (TlsServer | HttpsServer) & { _contexts?: readonly unknown[] };

/** What Node.js keeps under symbols of its own, by their descriptions. */
const hiddenSettings = [
  'handshake-timeout',
  'snicallback',
  'pskcallback',
  'pskidentityhint',
  'enableTrace',
];

function record(graph: Graph, server: SecureServer, module: 'https' | 'tls'): HostRecord {
  if ((server._contexts ?? []).length > 0) {
    throw graph.refuse('a server with keys for several names, which cannot be carried', {
      hint: 'An SNICallback can be carried.',
    });
  }
  const made = loadedModule(module)?.['Server'] as Maker;
  const described = serverRecord(graph, server, 'secureServer', new made() as SecureServer);
  const protocols = Reflect.getOwnPropertyDescriptor(server, 'ALPNProtocols')?.value as unknown;
  Object.assign(described.state, {
    module,
    protocols: graph.value(protocols, 'ALPNProtocols'),
    // With these, clients go on with the sessions that they have.
    ticketKeys: graph.value(server.getTicketKeys(), 'ticket keys'),
    hidden: hiddenSettings.map((name) => graph.value(hiddenValue(server, name), name)),
  });
  return described;
}

function fill(world: World, object: object, described: HostRecord): void {
  const server = object as SecureServer;
  const { state } = described;
  fillServer(world, object, described);
  Reflect.set(server, 'ALPNProtocols', world.value(state['protocols']));
  hiddenSettings.forEach((name, index) => {
    setHiddenValue(server, name, world.value((state['hidden'] as Value[])[index]));
  });
  // It reads the settings out of an object that has them under the same names.
  server.setSecureContext({ ...server } as never);
  server.setTicketKeys(world.value(state['ticketKeys']) as Buffer);
}

/** Servers of `tls` and `https`. Their keys are made again from what they were given. */
export const secureServers: Adapter = {
  host: 'secureServer',
  prototypes: () =>
    ['tls', 'https'].map(
      (module) => (loadedModule(module)?.['Server'] as Maker | undefined)?.prototype as object,
    ),
  record(graph, object) {
    const https = loadedModule('https')?.['Server'] as Maker | undefined;
    const isHttps = https !== undefined && object instanceof https;
    return record(graph, object as SecureServer, isHttps ? 'https' : 'tls');
  },
  shell: (world, described) =>
    world.construct(described, needModule(String(described.state['module']))['Server'], []),
  fill,
  reserve: reserveServer,
  start: startServer,
};
