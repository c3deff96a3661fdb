import { Server, Socket } from 'node:net';
import type { Value } from '../capsule/format.ts';
import type { Graph } from '../capture/graph.ts';
import { Refusal } from '../capture/refusal.ts';
import type { HostWorld } from './capture.ts';
import { standardStream } from './standardStreams.ts';

/** What cannot be carried, by the name of its class. */
const words: Record<string, string> = {
  Worker: 'a worker thread runs',
  MessagePort: 'a message port is open',
  ChildProcess: 'a child process runs',
  Pipe: 'a pipe to another process is open',
  FileHandle: 'a file is open',
};

/** @throws {Refusal} for what can never be carried */
export function refuseForeign(hosts: HostWorld): void {
  const active = (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles();
  for (const handle of active) refuseOne(hosts, handle);
}

/** What keeps the program's event loop going besides connections. */
export function handles(graph: Graph): Value[] {
  const found: Value[] = [];
  const active = (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles();
  for (const handle of active) {
    if (!(handle instanceof Socket) && standardStream(handle) === undefined)
      found.push(graph.value(handle, nameOf(handle)));
  }
  return found;
}

function nameOf(handle: object): string {
  return handle instanceof Server ? 'a server' : `a ${handle.constructor.name}`;
}

function refuseOne(hosts: HostWorld, handle: object): void {
  if (handle instanceof Socket || handle instanceof Server) return;
  if (standardStream(handle) !== undefined) return;
  if (hosts.adapters.has(handle)) return;
  const { name } = handle.constructor;
  throw new Refusal(
    `Cannot move yet: ${words[name] ?? `the program holds a ${name}, which cannot be carried`}.`,
    { hint: 'Close it before the move.' },
  );
}
