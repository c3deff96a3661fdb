import { request } from 'node:http';
import { endpoint, isWildcard, readInet } from '../procfs/inet.ts';
import { readProc } from '../procfs/read.ts';
import { socketInodes } from '../processes/tree.ts';

/** The port that Node.js opens its inspector on unless told otherwise. */
export const defaultInspectorPort = 9229;

/** Where a process's own inspector listens. */
export interface InspectorAddress {
  readonly host: string;
  readonly port: number;
  readonly webSocketUrl: string;
}

/** A TCP port that a process listens on. */
export interface Listener {
  readonly host: string;
  readonly port: number;
}

/** The TCP ports that one process listens on, read from /proc: a port number alone may be somebody else's. */
export async function listenersOf(pid: number): Promise<Listener[]> {
  const inodes = await socketInodes(pid);
  const sockets = await readInet(pid, ['tcp', 'tcp6']);
  return sockets
    .filter(({ state, inode }) => state === 'LISTEN' && inodes.has(inode))
    .map(({ localAddress, localPort }) => ({
      host: isWildcard(localAddress) ? '127.0.0.1' : localAddress,
      port: localPort,
    }));
}

/** True when anybody listens on the port in the network namespace of the process. */
export async function isPortTaken(pid: number, port: number): Promise<boolean> {
  const sockets = await readInet(pid, ['tcp', 'tcp6']);
  return sockets.some(({ state, localPort }) => state === 'LISTEN' && localPort === port);
}

/**
 * The inspector among the ports of a process; undefined when none of them is one. Each is asked, so hand in those only
 * that may be one: other servers can take the question amiss, or keep it waiting.
 */
export async function findInspector(
  listeners: readonly Listener[],
): Promise<InspectorAddress | undefined> {
  const asked = await Promise.all(
    listeners.map(async ({ host, port }) => {
      const webSocketUrl = await inspectorUrl(host, port);
      return webSocketUrl === undefined ? [] : [{ host, port, webSocketUrl }];
    }),
  );
  return asked.flat()[0];
}

/** The ports of a process that was not signalled which may be its inspector's. */
export async function likelyInspectors(
  pid: number,
  listeners: readonly Listener[],
): Promise<readonly Listener[]> {
  const likely = listeners.filter(({ port }) => port === defaultInspectorPort);
  if (likely.length === listeners.length) return likely;
  const words = await Promise.all(
    ['cmdline', 'environ'].map((file) => readProc(`/proc/${pid}/${file}`)),
  );
  return words.some((each) => each?.includes('--inspect') === true) ? listeners : likely;
}

/** Asks a port whether it is an inspector's. What else listens there gets one small request and is left alone. */
async function inspectorUrl(host: string, port: number): Promise<string | undefined> {
  const text = await new Promise<string | undefined>((resolve) => {
    const asking = request(
      { host, port, path: '/json/list', timeout: 1000, headers: { Host: endpoint(host, port) } },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
          if (body.length > 65_536) asking.destroy();
        });
        response.on('end', () => resolve(body));
        response.on('error', () => resolve(undefined));
        response.on('close', () => resolve(undefined));
      },
    );
    asking.on('timeout', () => asking.destroy());
    asking.on('error', () => resolve(undefined));
    asking.end();
  });
  try {
    const [target] = JSON.parse(text ?? '') as { webSocketDebuggerUrl?: unknown }[];
    const url = target?.webSocketDebuggerUrl;
    if (typeof url !== 'string') return undefined;
    const { pathname } = new URL(url);
    return `ws://${endpoint(host, port)}${pathname}`;
  } catch {
    return undefined;
  }
}
