import { connect, type TLSSocket } from 'node:tls';
import type { LinkOffer } from '../../../protocol/index.ts';
import type { LinkIdentity } from './identity.ts';
import { isPeer, linkTlsOptions } from './listener.ts';

/**
 * Tries all addresses at once and keeps the first connection at whose other end the right certificate was shown.
 * @param loopback also try this machine itself
 * @param timeoutMs for all of them together
 * @returns undefined when none of them leads there in time
 */
export async function dial(
  peer: LinkOffer,
  identity: LinkIdentity,
  options: { readonly loopback: boolean; readonly timeoutMs: number },
): Promise<TLSSocket | undefined> {
  const hosts = [...(options.loopback ? ['127.0.0.1', '::1'] : []), ...peer.addresses];
  const attempts = hosts.map((host) =>
    connect({
      host,
      port: peer.port,
      ...linkTlsOptions(identity),
      checkServerIdentity: () => undefined,
    }),
  );
  const timer = setTimeout(() => {
    for (const each of attempts) each.destroy();
  }, options.timeoutMs);
  try {
    const chosen = await Promise.any(attempts.map((each) => secured(each, peer.fingerprint)));
    for (const each of attempts) if (each !== chosen) each.destroy();
    chosen.setNoDelay(true);
    return chosen;
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

async function secured(socket: TLSSocket, fingerprint: string): Promise<TLSSocket> {
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('The connection was closed.')));
  });
  if (isPeer(socket, fingerprint)) return socket;
  socket.destroy();
  throw new Error('Another agent answered.');
}
