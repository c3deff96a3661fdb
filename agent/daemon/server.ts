import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import * as v from 'valibot';
import type { Disposable } from '../../common/disposable.ts';
import { Emitter } from '../../common/event.ts';
import type { Logger } from '../../common/logger.ts';
import { readLine, writeLine } from '../../common/lines.ts';
import { preamble } from '../../common/preamble.ts';
import { messageOf, RpcPeer } from '../../common/rpc.ts';
import type { AgentHello } from '../../protocol/index.ts';
import type { StreamTickets } from './tickets.ts';

/** Listens on the agent's socket and sorts connections by their first line (common/preamble.ts). */
export class AgentServer implements Disposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #peers = new Set<RpcPeer>();
  readonly #hello: AgentHello;
  readonly #tickets: StreamTickets;
  readonly #logger: Logger;
  readonly #clients = new Emitter<number>();
  readonly #shutdown = new Emitter<void>();
  readonly #accept: (peer: RpcPeer) => void;

  /** The number of control connections, whenever it changes. */
  readonly onDidChangeClients = this.#clients.event;
  /** A client of another build asks this daemon to make room. */
  readonly onShutdownRequest = this.#shutdown.event;

  constructor(options: {
    readonly hello: AgentHello;
    readonly tickets: StreamTickets;
    readonly logger: Logger;
    readonly accept: (peer: RpcPeer) => void;
  }) {
    this.#hello = options.hello;
    this.#tickets = options.tickets;
    this.#logger = options.logger;
    this.#accept = options.accept;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
      this.#greet(socket).catch((error: unknown) => {
        this.#logger.log('warn', 'connection refused', { why: messageOf(error) });
        socket.destroy();
      });
    });
  }

  get peers(): ReadonlySet<RpcPeer> {
    return this.#peers;
  }

  /** Binds the socket, replacing what a daemon that is gone left there. The caller holds the home's lock. */
  async listen(): Promise<void> {
    const path = this.#hello.socket;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    await chmod(path, 0o600);
  }

  dispose(): void {
    this.#server.close();
    for (const peer of this.#peers) peer.dispose();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #greet(socket: Socket): Promise<void> {
    const parsed = v.safeParse(preamble, parseJson(await readLine(socket)));
    if (!parsed.success) throw new Error('The client did not begin as a Flick client does.');
    switch (parsed.output.flick) {
      case 'control': {
        writeLine(socket, this.#hello);
        const peer = new RpcPeer(socket, this.#logger);
        this.#peers.add(peer);
        this.#clients.fire(this.#peers.size);
        peer.onDidClose(() => {
          this.#peers.delete(peer);
          this.#clients.fire(this.#peers.size);
        });
        this.#accept(peer);
        return;
      }
      case 'stream': {
        const accept = this.#tickets.redeem(parsed.output.ticket);
        if (accept === undefined) {
          writeLine(socket, { ok: false, why: 'The stream’s ticket is not valid (any more).' });
          socket.end();
          return;
        }
        writeLine(socket, { ok: true });
        accept(socket);
        return;
      }
      case 'shutdown':
        writeLine(socket, this.#hello);
        this.#shutdown.fire();
        return;
    }
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
