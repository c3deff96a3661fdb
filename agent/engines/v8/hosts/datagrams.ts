import type { Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import type { Graph } from '../capture/graph.ts';
import { isUserFunction } from '../capture/functions.ts';
import { describeHost, hiddenValue, type Adapter } from './adapter.ts';
import { addedListeners, addListeners } from './listeners.ts';
import { loadedModule, needModule, type Maker } from './loaded.ts';

/** What Node.js keeps of a socket under a symbol. */
interface LiveState {
  readonly handle: LiveHandle | null;
  readonly bindState: number;
  connectState: number;
  readonly queue: unknown;
  readonly reuseAddr?: unknown;
  readonly reusePort?: unknown;
  readonly ipv6Only?: unknown;
  readonly recvBufferSize?: unknown;
  readonly sendBufferSize?: unknown;
}

interface LiveHandle {
  lookup: unknown;
  hasRef(): boolean;
  connect(address: string, port: number): number;
}

const binding = 1;
const bound = 2;
const connected = 2;

const settings = ['reuseAddr', 'reusePort', 'ipv6Only', 'recvBufferSize', 'sendBufferSize'];

function stateOf(socket: object): LiveState {
  return hiddenValue(socket, 'state symbol') as LiveState;
}

function maker(module: Record<string, unknown> | undefined): Maker | undefined {
  return module?.['Socket'] as Maker | undefined;
}

/** Sockets of UDP. They are bound to the same port again; what arrives in between is lost, as it may be at any time. */
export const datagrams: Adapter = {
  host: 'datagrams',
  prototypes: () => [maker(loadedModule('dgram'))?.prototype as object | undefined],
  record(graph, object) {
    const socket = object as Socket & { type: string };
    const state = stateOf(socket);
    const { handle, bindState, connectState } = state;
    if (bindState === binding || connectState === 1 || state.queue !== undefined) {
      throw graph.refuse('a datagram socket that is being bound', { passing: true });
    }
    const isOpen = handle !== null;
    const make = maker(loadedModule('dgram')) as unknown as new (type: string) => Socket;
    const fresh = new make(socket.type);
    const given = settings.filter((key) => Reflect.get(state, key) !== undefined);
    const record = describeHost(
      graph,
      socket,
      {
        k: 'host',
        host: 'datagrams',
        state: {
          type: socket.type,
          options: given.map((key) => [key, graph.value(Reflect.get(state, key), key)]),
          lookup: graph.value(isOpen ? ownLookup(graph, handle) : undefined, 'lookup'),
          open: isOpen,
          ref: handle?.hasRef() === true,
          bound: placeOf(isOpen && bindState === bound, () => socket.address()),
          connected: placeOf(isOpen && connectState === connected, () => socket.remoteAddress()),
          listeners: addedListeners(graph, socket, fresh),
        },
      },
      fresh,
    );
    fresh.close();
    return record;
  },
  shell(world, record) {
    const { type, options, lookup } = record.state;
    const given = (options as [string, never][]).map(([key, value]) => [key, world.value(value)]);
    return world.construct(record, maker(needModule('dgram')), [
      { ...(Object.fromEntries(given) as object), type, lookup: world.value(lookup) },
    ]);
  },
  start(world, object, { state }) {
    const socket = object as Socket;
    if (state['open'] === true) open(socket, state);
    // It is closed only now, so that nothing of the program hears of it.
    else socket.close();
    const listen = (): void => addListeners(world, socket, state['listeners']);
    if (state['open'] === true) listen();
    else socket.once('close', () => process.nextTick(listen));
  },
};

/** The function that the program gave for looking names up. */
function ownLookup(graph: Graph, handle: LiveHandle): unknown {
  const { fields } = graph.inspection.internals(handle.lookup as object);
  const [lookup] = Array.from((fields.get('[[BoundArgs]]') ?? []) as ArrayLike<unknown>);
  return typeof lookup === 'function' && isUserFunction(graph, lookup) ? lookup : undefined;
}

function placeOf(isThere: boolean, place: () => AddressInfo): [address: string, port: number] | [] {
  if (!isThere) return [];
  const { address, port } = place();
  return [address, port];
}

function open(socket: Socket, state: Record<string, unknown>): void {
  const [address, port] = state['bound'] as [string?, number?];
  const live = stateOf(socket);
  if (address !== undefined && live.handle !== null) {
    const { handle } = live;
    const { lookup } = handle;
    const fail = ({ message }: Error): void => {
      process.stderr.write(`Flick: UDP port ${String(port)} cannot be bound: ${message}\n`);
      process.exit(70);
    };
    // There is nothing to look up, and the program may send at once.
    handle.lookup = (ip: string, done: (error: null, ip: string) => void) => done(null, ip);
    socket.once('error', fail);
    socket.bind({ port: port ?? 0, address, exclusive: true });
    socket.off('error', fail);
    handle.lookup = lookup;
  }
  const [remote, remotePort] = state['connected'] as [string?, number?];
  if (remote !== undefined && live.handle?.connect(remote, remotePort ?? 0) === 0) {
    live.connectState = connected;
  }
  if (state['ref'] !== true) socket.unref();
}
