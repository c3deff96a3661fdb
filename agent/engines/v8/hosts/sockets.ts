import { Server, Socket } from 'node:net';
import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import { Refusal } from '../capture/refusal.ts';
import { describeHost, hiddenValue, type Adapter } from './adapter.ts';
import type { HostWorld } from './capture.ts';
import { addedListeners, addListeners } from './listeners.ts';
import { loadedModule, needModule, type Maker } from './loaded.ts';
import { standardStream } from './standardStreams.ts';

/** What Node.js notes on a socket. */
interface LiveSocket extends Socket {
  readonly server?: unknown;
  /** Of a connection of HTTP. */
  readonly parser?: { readonly incoming?: unknown } | null;
  /** The request or the answer that it is in the middle of. */
  readonly _httpMessage?: unknown;
}

/** A connection that has been open so long is no short exchange that is over in a moment, in ms. */
const longLived = 300;

/** @throws {Refusal} while a connection is in use */
export function leaveSockets(hosts: HostWorld): void {
  const active = (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles();
  for (const handle of active) {
    if (handle instanceof Socket && standardStream(handle) === undefined)
      leaveSocket(hosts, securedBy(handle));
  }
}

/**
 * The socket that the program has of a connection: with encryption it is another one than what Node.js has accepted.
 * @throws {Refusal} when the program has not been told of the connection yet
 */
function securedBy(socket: LiveSocket): LiveSocket {
  const { server } = socket;
  if (!(server instanceof Server) || !isSecure(server) || !isHttpServer(server)) return socket;
  const list = hiddenValue(server, 'http.server.connections') as
    { all(): { readonly socket: LiveSocket & { readonly _parent: unknown } }[] } | undefined;
  const found = list?.all().find((parser) => parser.socket._parent === socket);
  if (found === undefined) throw busy(`a connection to ${other(socket)} is being opened`);
  return found.socket;
}

function isSecure(object: object): boolean {
  return 'setSecureContext' in object;
}

function isHttpServer(server: unknown): boolean {
  return server instanceof Server && 'closeIdleConnections' in server;
}

/**
 * Decides what becomes of an open connection. Idle ones of HTTP are closed with the process, as they may be at any
 * time; others are reported to the program as reset.
 * @throws {Refusal} while it is in use
 */
function leaveSocket(hosts: HostWorld, socket: LiveSocket): void {
  const { server } = socket;
  if (isOfHttp(socket)) {
    if ((socket.parser?.incoming ?? null) !== null || (socket._httpMessage ?? null) !== null) {
      throw busy(
        server === undefined || server === null
          ? 'a request waits for its answer'
          : 'a request is being answered',
      );
    }
  } else if (isOfFetch(socket)) {
    if (isFetching(socket)) throw busy('a request waits for its answer');
  } else if (
    socket.connecting ||
    socket.destroyed ||
    socket.writableEnded ||
    socket.readableEnded
  ) {
    throw busy(
      `a connection to ${other(socket)} is being ${socket.connecting ? 'opened' : 'closed'}`,
    );
  } else if (!isLongLived(hosts, socket)) {
    throw busy(`a connection to ${other(socket)} is open`);
  }
  if (socket.writableLength > 0) throw busy(`a connection to ${other(socket)} is being written to`);
  const isOfServer = server instanceof Server && isHttpServer(server);
  const kind = isOfServer ? 'an idle keep-alive connection' : 'a connection';
  const end = isOfServer ? ` of the server on ${place(server)}` : ` to ${other(socket)}`;
  hosts.drop(kind + end, (count) => `${count} ${kind.replace(/^an? /, '')}s${end}`);
}

function busy(what: string): Refusal {
  return new Refusal(`Cannot move yet: ${what}.`, {
    passing: true,
    hint: 'Move when the connection is closed or idle.',
  });
}

/** Whether a connection is closed without a word to the program, which opens others when it needs them. */
export function isDropped(owner: object): boolean {
  return owner instanceof Socket && (isOfHttp(owner) || isOfFetch(owner));
}

function isOfHttp(socket: LiveSocket): boolean {
  return (socket.parser ?? null) !== null || '_httpMessage' in socket;
}

function isOfFetch(socket: Socket): boolean {
  return hiddenValue(socket, 'client') !== undefined;
}

/** Whether the client of `fetch` that a socket belongs to has requests that are not answered. */
function isFetching(socket: Socket): boolean {
  const client = hiddenValue(socket, 'client') as object;
  const running = Number(hiddenValue(client, 'running index'));
  const queue = hiddenValue(client, 'queue') as unknown[] | undefined;
  return !(queue !== undefined && queue.length === running);
}

function isLongLived(hosts: HostWorld, socket: Socket): boolean {
  const now = performance.now();
  const since = hosts.seenSockets.get(socket);
  if (since === undefined) hosts.seenSockets.set(socket, now);
  return since !== undefined && now - since >= longLived;
}

function place(server: Server): string {
  const address = server.address();
  if (typeof address === 'string') return address;
  return address === null ? 'a closed port' : `port ${address.port}`;
}

function other(socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined ? 'another process' : `${remoteAddress}:${remotePort ?? '?'}`;
}

/** Of a connection with encryption, what the program may look at when it is over. */
const secureSettings = ['authorized', 'authorizationError', 'alpnProtocol', 'servername'];
/** What else Node.js has on its socket, by names and descriptions of symbols. */
const ofSecure =
  /^(_tlsOptions|_secure\w+|_newSessionPending|_controlReleased|secureConnecting|_SNICallback|encrypted|ssl|_requestCert|_rejectUnauthorized|alpncallback|res|verified|pendingSession|connect-options|pskcallback|error-emitted|disable-renegotiation)$/;

function secureClass(): Maker | undefined {
  return loadedModule('tls')?.['TLSSocket'] as Maker | undefined;
}

/** Something with the same own keys, that no event will ever come from. */
function secureSample(socket: Socket, plain: Socket): Socket {
  const sample = Object.create(
    secureClass()?.prototype as object,
    Object.getOwnPropertyDescriptors(plain),
  ) as Socket;
  for (const key of Reflect.ownKeys(socket)) {
    const name = typeof key === 'symbol' ? (key.description ?? '') : key;
    if (secureSettings.includes(name) || ofSecure.test(name)) Reflect.set(sample, key, undefined);
  }
  return sample;
}

/** Not those by which Node.js itself follows a connection with encryption. */
function programsListeners(graph: Graph, socket: Socket, fresh: Socket): [Value, Value][] {
  return addedListeners(graph, socket, fresh, (listener) =>
    /^node:(_tls_wrap|internal\/tls\/wrap)$/.test(graph.heap.script(listener)?.url ?? ''),
  );
}

/** Connections that the program holds. Where it goes on they are closed, and it is told so as by a network that broke. */
export const sockets: Adapter = {
  host: 'socket',
  prototypes: () => [Socket.prototype, secureClass()?.prototype as object | undefined],
  record(graph, object) {
    const socket = object as LiveSocket;
    const prototype = Object.getPrototypeOf(socket) as object;
    const secure = prototype === secureClass()?.prototype;
    const fresh = secure ? secureSample(socket, new Socket()) : new Socket();
    if (prototype !== Socket.prototype && !secure) {
      throw graph.refuse(`a ${socket.constructor.name}, which cannot be carried`, {
        hint: 'Close the connection before the move.',
      });
    }
    return describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'socket',
        state: {
          listeners: programsListeners(graph, socket, fresh),
          secure,
          settings: secure
            ? secureSettings.map((key) => graph.value(Reflect.get(socket, key), key))
            : [],
          encoding: socket.readableEncoding,
          halfOpen: socket.allowHalfOpen,
          open: !socket.destroyed,
        },
      },
      fresh,
      ownSymbols,
    );
  },
  shell(world, record) {
    const options = { allowHalfOpen: record.state['halfOpen'] };
    if (record.state['secure'] !== true) return world.construct(record, Socket, [options]);
    const socket = world.construct(record, needModule('tls')['TLSSocket'], [undefined, options]);
    // Until then it has an opinion on errors of its own.
    (socket as { _releaseControl(): void })._releaseControl();
    return socket;
  },
  fill(world, object, { state }) {
    const socket = object as Socket;
    if (typeof state['encoding'] === 'string') socket.setEncoding(state['encoding'] as 'utf8');
    addListeners(world, socket, state['listeners']);
    (state['settings'] as Value[]).forEach((value, index) => {
      Reflect.set(socket, secureSettings[index] ?? '', world.value(value));
    });
  },
  start(_world, object, { state }) {
    const socket = object as Socket;
    const reset = Object.assign(new Error('read ECONNRESET'), {
      errno: -104,
      code: 'ECONNRESET',
      syscall: 'read',
    });
    // Without a listener the error would end the program.
    const tells = state['open'] === true && socket.listenerCount('error') > 0;
    socket.destroy(tells ? reset : undefined);
  },
};

/** Descriptions of what modules of Node.js keep on sockets that they use. */
const ownSymbols = [
  'kError',
  'kSetNoDelay',
  'kSetKeepAlive',
  'resource_symbol',
  'asyncId',
  'owner_symbol',
];
