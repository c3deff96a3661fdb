import { receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import type { Value } from '../capsule/format.ts';
import { isUserFunction } from '../capture/functions.ts';
import type { Graph } from '../capture/graph.ts';
import { describeHost, symbolOf, type Adapter } from './adapter.ts';
import { addTargetListeners, targetListeners } from './eventTargets.ts';
import { loadedGlobal } from './loaded.ts';

function prototype(): object | undefined {
  return loadedGlobal('MessagePort', 'internal/worker/io')?.prototype as object | undefined;
}

/** Whether it is a port that was made as such: native code trusts in that, and would end the process. */
function isPort(object: unknown): boolean {
  const isHeir = Object.getPrototypeOf(object) === prototype();
  return isHeir && symbolOf(object as object, 'kEvents') !== undefined;
}

/** Whether it keeps the program alive; undefined for one that has been closed. */
function refOf(port: MessagePort): boolean | undefined {
  return (port as unknown as { hasRef(): boolean | undefined }).hasRef();
}

/** Whether it has not been closed. */
function isOpen(port: MessagePort): boolean {
  return refOf(port) !== undefined;
}

/** Ports with what waits in them, by the port at the other end. */
type Channels = ReadonlyMap<object, { readonly other: MessagePort; readonly waiting: unknown[] }>;

const channels = new WeakMap<Graph, Channels>();

/** A message that is posted to find out where it arrives must not arrive in another thread. */
function refuseThreads(graph: Graph): void {
  const workers = graph.inspection.heirs(Worker.prototype) as Worker[];
  // A prototype of a class of its own has no fields, and a thread that has ended has the number -1.
  const isMade = (each: object): boolean => Object.getOwnPropertySymbols(each).length > 0;
  if (workers.some((each) => isMade(each) && each.threadId > 0)) {
    throw graph.refuse('a worker thread');
  }
}

/** Which ports belong together is seen by what arrives where. What had arrived already is put back as it was. */
function channelsOf(graph: Graph): Channels {
  const known = channels.get(graph);
  if (known !== undefined) return known;
  refuseThreads(graph);
  const found = new Map<object, { other: MessagePort; waiting: unknown[] }>();
  channels.set(graph, found);
  const own = prototype();
  const heirs = own === undefined ? [] : graph.inspection.heirs(own);
  const ports = heirs.filter((each): each is MessagePort => isPort(each));
  const waiting = new Map(ports.map((port) => [port, received(port)] as const));
  for (const port of ports) {
    if (found.has(port)) continue;
    port.postMessage(null);
    const other = ports.find((each) => each !== port && received(each).length > 0);
    if (other === undefined) continue;
    found.set(port, { other, waiting: waiting.get(port) ?? [] });
    found.set(other, { other: port, waiting: waiting.get(other) ?? [] });
  }
  for (const { other, waiting: list } of found.values()) {
    for (const message of list) other.postMessage(message, portsIn(message));
  }
  return found;
}

function received(port: MessagePort): unknown[] {
  const found: unknown[] = [];
  for (let next = take(port); next !== undefined; next = take(port)) found.push(next.message);
  return found;
}

function take(port: MessagePort): { message: unknown } | undefined {
  return receiveMessageOnPort(port) as { message: unknown } | undefined;
}

/** Ports that a message hands over. */
function portsIn(message: unknown): MessagePort[] {
  const own = prototype();
  const found: MessagePort[] = [];
  const seen = new Set<unknown>([message]);
  for (const each of seen) {
    if (typeof each !== 'object' || each === null) continue;
    if (own !== undefined && own.isPrototypeOf(each)) found.push(each as MessagePort);
    else if (each instanceof Map) for (const pair of each) seen.add(pair[0]).add(pair[1]);
    else if (each instanceof Set) for (const member of each) seen.add(member);
    else if (!ArrayBuffer.isView(each)) for (const part of Object.values(each)) seen.add(part);
  }
  return found;
}

/** Both ends of a channel within the program, with the messages that are under way. */
export const messagePorts: Adapter = {
  host: 'messagePort',
  prototypes: () => [prototype()],
  record(graph, object) {
    if (!isPort(object)) throw graph.refuse('an object that only looks like a message port');
    const port = object as MessagePort;
    const channel = isOpen(port) ? channelsOf(graph).get(port) : undefined;
    if (isOpen(port) && channel === undefined) {
      throw graph.refuse('a message port whose other end is not in the program', { passing: true });
    }
    const waiting = channel?.waiting ?? [];
    if (waiting.some((each) => portsIn(each).length > 0)) {
      throw graph.refuse('a message port that another one is on its way to', { passing: true });
    }
    const { port1: fresh } = new MessageChannel();
    const isPrograms = (listener: object): boolean => {
      if (typeof listener !== 'function' || isUserFunction(graph, listener)) return true;
      return graph.heap.script(listener)?.url !== 'node:internal/worker/io';
    };
    const record = describeHost(
      graph,
      port,
      {
        k: 'host',
        host: 'messagePort',
        state: {
          other: graph.value(channel?.other, 'other end'),
          waiting: graph.value(waiting, 'messages'),
          ref: refOf(port) === true,
          listeners: targetListeners(graph, port, isPrograms),
        },
      },
      fresh as unknown as object,
    );
    fresh.close();
    return record;
  },
  shell(world, { state }) {
    const { port1, port2 } = new MessageChannel();
    const other = world.idOf(state['other']);
    if (other > 0) world.made(other, port2);
    // What the program would have been told of it, it has been told.
    else port1.close();
    return port1;
  },
  start(world, object, { state }) {
    const port = object as MessagePort;
    addTargetListeners(world, port as unknown as EventTarget, state['listeners'] as Value);
    if (state['ref'] === true) port.ref();
    else port.unref();
    const other = world.value(state['other']) as MessagePort | undefined;
    for (const message of world.value(state['waiting']) as unknown[]) other?.postMessage(message);
  },
};
