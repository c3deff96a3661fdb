import { lstatSync, readFileSync, unlinkSync } from 'node:fs';
import net, { type Server } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { HostState } from '../capsule/format.ts';
import { RebuildError } from '../rebuild/rebuildError.ts';

/** What a server listens with. */
interface ServerHandle {
  listen(backlog: number): number;
}

/** Parts of a server of Node.js that are made for its own use. */
interface LiveServer extends Server {
  _handle: ServerHandle | null;
  _pipeName?: string;
  _listen2(address: string, port: number, addressType: number, backlog: number): void;
}

/** As many as Node.js lets wait unless told otherwise. */
const backlog = 511;
/** Where Node.js expects the kind of an address: this one is a path. */
const pathType = -1;
/** In the table of sockets (proc_pid_net(5)): somebody listens there. */
const listens = 0x10000;

interface Place {
  readonly address: string;
  readonly port: number;
  readonly addressType: number;
}

function placeOf({ path, address, port }: HostState): Place {
  if (typeof path === 'string') return { address: path, port: -1, addressType: pathType };
  const host = String(address);
  // By no pattern for all of an address, which takes V8 longer to compile than to listen.
  return { address: host, port: Number(port), addressType: host.includes(':') ? 6 : 4 };
}

/**
 * Listens where the program did. Connections wait until the event loop turns, which it does when the program runs.
 * @throws {RebuildError} where that cannot be: the program is not taken over then
 */
export function reservePlace(server: Server, state: HostState): void {
  const { address, port, addressType } = placeOf(state);
  if (addressType === pathType) removeStale(address);
  const create = Reflect.get(net, '_createServerHandle') as (
    ...where: [string, number, number]
  ) => ServerHandle | number;
  const handle = create(address, port, addressType);
  const failure = typeof handle === 'number' ? handle : handle.listen(backlog);
  if (failure !== 0 || typeof handle === 'number') throw denied({ address, port }, failure);
  (server as LiveServer)._handle = handle;
}

/** Lets a server accept connections at the place that was reserved for it; `listening` is emitted in the next tick. */
export function acceptAt(server: Server, state: HostState): void {
  const { address, port, addressType } = placeOf(state);
  const live = server as LiveServer;
  if (addressType === pathType) live._pipeName = address;
  live._listen2(address, port, addressType, backlog);
}

function denied({ address, port }: Pick<Place, 'address' | 'port'>, failure: number): RebuildError {
  const place = port < 0 ? address : `port ${port}`;
  const code = getSystemErrorName(failure);
  switch (code) {
    case 'EADDRINUSE':
      return new RebuildError(`${place} is taken on this device by another program`);
    case 'EACCES':
      return new RebuildError(`${place} may not be listened on by this user on this device`);
    case 'EADDRNOTAVAIL':
      return new RebuildError(`it listens on ${address}, which is no address of this device`);
    default:
      return new RebuildError(`${place} cannot be listened on: ${code}`);
  }
}

/** The socket that the program had is still there when it goes on where it was; one that somebody listens at stays. */
function removeStale(path: string): void {
  const isFile = !path.startsWith('\0') && lstatSync(path, { throwIfNoEntry: false })?.isSocket();
  if (isFile === true && !isListenedAt(path)) unlinkSync(path);
}

function isListenedAt(path: string): boolean {
  let table: string;
  try {
    table = readFileSync('/proc/net/unix', 'utf8');
  } catch {
    return false;
  }
  return table.split('\n').some((line) => {
    const [, , , flags = '', , , , ...name] = line.trim().split(/ +/);
    const bound = name.join(' ');
    // Whoever gave it a relative name had another working directory.
    const isSame = bound === path || (/^[^/@]/.test(bound) && path.endsWith(`/${bound}`));
    return isSame && (Number.parseInt(flags, 16) & listens) !== 0;
  });
}
