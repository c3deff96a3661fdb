import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import type { Disposable } from '../../../common/disposable.ts';
import { Emitter } from '../../../common/event.ts';
import type { Logger } from '../../../common/logger.ts';
import { fingerprintOf, type LinkIdentity } from './identity.ts';

/** How long a connection may take to show its certificate, in ms, and how many may be about it at once. */
const handshakeTimeout = 3_000;
const maxStrangers = 4;

/** TLS without names, authorities or sessions: both sides know each other's certificate by its fingerprint. */
export function linkTlsOptions({ key, certificate }: LinkIdentity): {
  readonly key: string;
  readonly cert: string;
  readonly minVersion: 'TLSv1.3';
  readonly maxVersion: 'TLSv1.3';
  readonly rejectUnauthorized: false;
} {
  return {
    key,
    cert: certificate,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // Both are self-signed; `isPeer` decides.
    rejectUnauthorized: false,
  };
}

/** True when the other end of a finished handshake has shown the certificate with this fingerprint, just now. */
export function isPeer(socket: TLSSocket, fingerprint: string): boolean {
  const { raw } = socket.getPeerCertificate() as { raw?: Buffer };
  return (
    raw !== undefined &&
    !socket.isSessionReused() &&
    socket.getProtocol() === 'TLSv1.3' &&
    fingerprintOf(raw) === fingerprint
  );
}

/** Takes connections of one other agent for one handoff, and of nobody else. */
export class LinkListener implements Disposable {
  readonly #server: Server;
  readonly #tls: TlsServer;
  readonly #logger: Logger;
  readonly #links = new Emitter<TLSSocket>();
  /** Connections that have not said who they are, by the address they come from. */
  readonly #strangers = new Map<string, Socket>();
  #peer: string | undefined;
  #refused = 0;

  /** A connection of the other agent. */
  readonly onLink = this.#links.event;

  constructor(identity: LinkIdentity, logger: Logger) {
    this.#logger = logger;
    this.#server = createServer((socket) => this.#meet(socket));
    this.#tls = createTlsServer({
      ...linkTlsOptions(identity),
      requestCert: true,
      handshakeTimeout,
    });
    this.#tls.on('secureConnection', (socket) => this.#judge(socket));
    this.#tls.on('tlsClientError', (error, socket) => {
      socket.destroy();
      this.#refuse(error.message);
    });
    this.#server.on('error', (error) => {
      logger.log('warn', 'a listener for a handoff failed', { error: error.message });
    });
  }

  /** How many connections were sent away. */
  get refused(): number {
    return this.#refused;
  }

  /** @returns the port. @throws when nothing can listen here */
  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Until then everybody is sent away. */
  expect(fingerprint: string): void {
    this.#peer = fingerprint;
  }

  dispose(): void {
    this.#server.close();
    for (const each of this.#strangers.values()) each.destroy();
    this.#links.dispose();
  }

  #meet(socket: Socket): void {
    socket.on('error', () => undefined);
    if (this.#peer === undefined || this.#strangers.size >= maxStrangers) {
      socket.destroy();
      this.#refuse(this.#peer === undefined ? 'nobody is expected yet' : 'too many at once');
      return;
    }
    const origin = originOf(socket);
    this.#strangers.set(origin, socket);
    const forget = (): void => {
      clearTimeout(timer);
      if (this.#strangers.get(origin) === socket) this.#strangers.delete(origin);
    };
    const timer = setTimeout(forget, handshakeTimeout);
    socket.once('close', forget);
    this.#tls.emit('connection', socket);
  }

  #judge(socket: TLSSocket): void {
    socket.on('error', () => undefined);
    if (this.#peer === undefined || !isPeer(socket, this.#peer)) {
      socket.destroy();
      this.#refuse('it did not show the certificate of the other agent');
      return;
    }
    this.#strangers.delete(originOf(socket));
    socket.setNoDelay(true);
    this.#links.fire(socket);
  }

  #refuse(why: string): void {
    this.#refused += 1;
    this.#logger.log('warn', 'a connection for a handoff was refused', { why });
  }
}

function originOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''} ${String(remotePort)}`;
}
