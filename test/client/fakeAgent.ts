import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { silentLogger } from '../../common/logger.ts';
import { readLine, writeLine } from '../../common/lines.ts';
import { preamble } from '../../common/preamble.ts';
import { RpcPeer, type Handler } from '../../common/rpc.ts';
import {
  FlickError,
  protocolVersion,
  type AgentHello,
  type AnyRequest,
  type ParamsOf,
} from '../../protocol/index.ts';
import * as v from 'valibot';
import type { Transport } from '../../client/transports/transport.ts';

/**
 * An agent that answers what it is told to, for situations into which a real one cannot be brought on purpose. It
 * speaks the real preamble and RPC over a real socket.
 */
export class FakeAgent {
  readonly hello: AgentHello;
  /** Every request that arrived: `method` and its parameters. */
  readonly requests: { readonly method: string; readonly params: unknown }[] = [];
  readonly peers = new Set<RpcPeer>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #serve: ((peer: RpcPeer) => void)[] = [];

  constructor(folder: string, name: string, hello: Partial<AgentHello> = {}) {
    this.hello = {
      protocol: protocolVersion,
      build: '0'.repeat(64),
      version: '0.0.0',
      deviceId: `d-${name}`,
      bootId: 'boot',
      pid: 1,
      socket: join(folder, `${name}.sock`),
      ...hello,
    };
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
      void this.#greet(socket).catch(() => socket.destroy());
    });
  }

  async listen(): Promise<void> {
    await rm(this.hello.socket, { force: true });
    await new Promise<void>((resolve) => this.#server.listen(this.hello.socket, resolve));
  }

  /** Answers a request of every connection from now on. */
  on<C extends AnyRequest>(
    contract: C,
    handler: (params: ParamsOf<C>) => ReturnType<Handler<C>>,
  ): this {
    this.#serve.push((peer) =>
      peer.handle(contract, (params) => {
        this.requests.push({ method: contract.method, params });
        return handler(params);
      }),
    );
    return this;
  }

  methods(): readonly string[] {
    return this.requests.map((each) => each.method);
  }

  /** Breaks all connections, as a network does. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  transport(): Transport {
    const { hello } = this;
    return {
      label: hello.deviceId,
      onDidClose: () => ({ dispose: () => undefined }),
      connect: async () =>
        new Promise((resolve, reject) => {
          const socket = connect(hello.socket);
          socket.once('error', reject);
          socket.once('connect', () => resolve(socket));
        }),
      exec: () => Promise.reject(new FlickError('notSupported', 'A fake runs nothing.')),
      ensureAgent: () => Promise.resolve(hello),
      dispose: () => undefined,
    };
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  async #greet(socket: Socket): Promise<void> {
    const first = v.parse(preamble, JSON.parse(await readLine(socket)));
    writeLine(socket, this.hello);
    if (first.flick !== 'control') return;
    const peer = new RpcPeer(socket, silentLogger);
    for (const serve of this.#serve) serve(peer);
    this.peers.add(peer);
    peer.onDidClose(() => this.peers.delete(peer));
  }
}
