import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { DisposableStore, type Disposable } from '../common/disposable.ts';
import { Emitter } from '../common/event.ts';
import { RuntimeChannel } from '../common/runtimeChannel.ts';
import { maxRuntimeMessage, type FlickError } from '../protocol/index.ts';
import type { DebugLink } from './debugLink.ts';

export interface CdpEndpointOptions {
  /** What tools show as the name of the target. */
  readonly title: string;
  /** A new line to the process for each client. */
  readonly link: () => DebugLink;
}

/** A client that went away is gone: nothing waits for it. But its link may break, and its own machine sleep. In ms. */
const graceMs = 300_000;
/** Programs that speak for their users from a page of their own; any other page is a stranger. */
const trustedOrigins = /^(devtools|vscode-file|chrome-extension|chrome):\/\//;

/**
 * The Chrome DevTools Protocol of one process on a loopback WebSocket, for any tool. It stays open while the process
 * moves: what a client asks for meanwhile is answered on arrival. Whoever knows the address controls the process, so its
 * path cannot be guessed, and neither other programs' pages (`Origin`) nor names that lead to loopback (`Host`) get in.
 */
export class CdpEndpoint implements Disposable {
  readonly #options: CdpEndpointOptions;
  readonly #token = randomBytes(16).toString('hex');
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: maxRuntimeMessage });
  readonly #clients = new Set<Disposable>();
  readonly #over = new Emitter<FlickError | undefined>();
  #port = 0;

  /** The process has ended, or cannot be debugged for the reason given. */
  readonly onDidEnd = this.#over.event;

  private constructor(options: CdpEndpointOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      if (!this.#mayEnter(request) || request.url !== `/${this.#token}`) {
        socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (client) => this.#serve(client));
    });
  }

  /** @throws {Error} when no port of the loopback interface can be had */
  static async open(options: CdpEndpointOptions): Promise<CdpEndpoint> {
    const endpoint = new CdpEndpoint(options);
    await new Promise<void>((resolve, reject) => {
      endpoint.#server.once('error', reject);
      endpoint.#server.listen(0, '127.0.0.1', resolve);
    });
    endpoint.#port = (endpoint.#server.address() as AddressInfo).port;
    return endpoint;
  }

  /** The WebSocket's address. */
  get url(): string {
    return `ws://127.0.0.1:${this.#port}/${this.#token}`;
  }

  /** Where a tool that knows only an HTTP address finds the WebSocket: `/json/list` below it. */
  get listUrl(): string {
    return `http://127.0.0.1:${this.#port}/${this.#token}`;
  }

  dispose(): void {
    for (const each of [...this.#clients]) each.dispose();
    this.#sockets.close();
    this.#server.close();
    this.#server.closeAllConnections();
    this.#over.dispose();
  }

  /** A page of another origin, or one that gave its own name the address of loopback, is turned away. */
  #mayEnter({ headers }: IncomingMessage): boolean {
    const hosts = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${this.#port}`);
    const { host = '', origin } = headers;
    return hosts.includes(host) && (origin === undefined || trustedOrigins.test(origin));
  }

  /** The list is told only to who knows the path already; everybody else learns nothing. */
  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', method } = request;
    const below = `/${this.#token}/json`;
    const known = method === 'GET' && this.#mayEnter(request);
    const path = url.replace(/\/$/, '');
    const document =
      known && (path === below || path === `${below}/list`)
        ? [this.#target()]
        : known && path === `${below}/version`
          ? { Browser: 'node.js/flick', 'Protocol-Version': '1.3' }
          : undefined;
    if (document === undefined) {
      response.writeHead(404, { 'Content-Length': 0 }).end();
      return;
    }
    response.writeHead(200, {
      'Content-Type': 'application/json; charset=UTF-8',
      'Cache-Control': 'no-cache',
    });
    response.end(JSON.stringify(document));
  }

  #target(): Record<string, string> {
    const address = this.url.slice('ws://'.length);
    return {
      id: this.#token,
      type: 'node',
      title: this.#options.title,
      description: 'node.js instance',
      url: 'file://',
      webSocketDebuggerUrl: this.url,
      devtoolsFrontendUrl: `devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws=${address}`,
    };
  }

  #serve(client: WebSocket): void {
    const store = new DisposableStore();
    this.#clients.add(store);
    const link = store.add(this.#options.link());
    const channel = store.add(
      new RuntimeChannel({
        mode: 'cdp',
        graceMs,
        deliver: (message) => client.send(JSON.stringify(message)),
      }),
    );
    store.add({ dispose: () => client.close(1001) });
    store.add({ dispose: () => this.#clients.delete(store) });
    link.onDidOpen((stream) => void channel.open(stream));
    link.onDidChangeState((state) => {
      if (state.kind !== 'ended' && state.kind !== 'refused') return;
      store.dispose();
      this.#over.fire(state.kind === 'refused' ? state.error : undefined);
    });
    // What was asked in the old session will never be answered; a tool begins anew when its connection closes.
    channel.onDidRestart(() => store.dispose());
    channel.onDidRefuse(() => store.dispose());
    client.on('message', (data: Buffer) => {
      const request = parseRequest(data);
      if (request === undefined) client.close(1008, 'That is no request.');
      else channel.send(request);
    });
    client.on('error', () => store.dispose());
    client.on('close', () => {
      // Its breakpoints go with it; a process that it held runs on.
      if (channel.isConnected) channel.send({ id: 0, method: 'Flick.leave' });
      setTimeout(() => store.dispose(), channel.isConnected ? leaveMs : 0);
    });
    link.start();
  }
}

/** How long the word that a client has left may take to be sent, in ms. */
const leaveMs = 500;

/** @returns undefined for what is no request of the protocol */
function parseRequest(data: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(data.toString('utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { id, method } = value as { id?: unknown; method?: unknown };
    return typeof id === 'number' && typeof method === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
