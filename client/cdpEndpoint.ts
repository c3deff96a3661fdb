import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer, type WebSocket } from 'ws';
import type { DebuggeeLink } from '../common/debuggee.ts';
import { Deferred } from '../common/deferred.ts';
import { DisposableStore, type Disposable } from '../common/disposable.ts';
import { Emitter } from '../common/event.ts';
import { RuntimeChannel } from '../common/runtimeChannel.ts';
import { maxRuntimeMessage, type FlickError } from '../protocol/index.ts';

export interface CdpEndpointOptions {
  /** What tools show as the name of the target. */
  readonly title: string;
  /** A new line to the process for each client. */
  readonly link: () => DebuggeeLink;
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
  readonly #clients = new Set<CdpClient>();
  readonly #over = new Emitter<FlickError>();
  #port = 0;

  /** The process cannot be debugged, for the reason given. */
  readonly onDidRefuse = this.#over.event;

  private constructor(options: CdpEndpointOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // Whoever is turned away may be gone before it hears so.
      socket.on('error', () => undefined);
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

  /** Lets all clients leave the process as it was, then closes. Waits `patienceMs` at most for one out of reach. */
  async close(patienceMs = 3_000): Promise<void> {
    const clients = [...this.#clients];
    for (const each of clients) each.leave();
    await Promise.race([
      Promise.all(clients.map((each) => each.gone)),
      delay(patienceMs, undefined, { ref: false }),
    ]);
    this.dispose();
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
    const names = ['127.0.0.1', 'localhost', '[::1]'];
    // VS Code's JavaScript debugger leaves the port out.
    const hosts = names.flatMap((name) => [name, `${name}:${this.#port}`]);
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

  #serve(socket: WebSocket): void {
    const client = new CdpClient(socket, this.#options.link());
    this.#clients.add(client);
    void client.gone.then((error) => {
      this.#clients.delete(client);
      if (error !== undefined) this.#over.fire(error);
    });
  }
}

/** How long the word that a client has left is kept for a process that cannot be reached, in ms. */
const leavePatience = 60_000;
/** Number of our own request in a client's session; clients count from 1 on. */
const leaveId = 0;

/** One tool, and its session in the process. */
class CdpClient {
  readonly #socket: WebSocket;
  readonly #store = new DisposableStore();
  readonly #channel: RuntimeChannel;
  readonly #gone = new Deferred<FlickError | undefined>();
  #isLeaving = false;

  /** Resolves when nothing is left of it, with the reason if the process cannot be debugged. */
  readonly gone = this.#gone.promise;

  constructor(socket: WebSocket, link: DebuggeeLink) {
    this.#socket = socket;
    this.#store.add(link);
    this.#channel = this.#store.add(
      new RuntimeChannel({ mode: 'cdp', graceMs, deliver: (message) => this.#deliver(message) }),
    );
    link.onDidOpen((stream) => void this.#channel.open(stream));
    link.onDidChangeState((state) => {
      if (state.kind === 'ended') this.dispose();
      if (state.kind === 'refused') this.dispose(state.error);
    });
    // What was asked in the old session will never be answered; a tool begins anew when its connection closes.
    this.#channel.onDidRestart(() => this.dispose());
    this.#channel.onDidRefuse(() => this.dispose());
    socket.on('message', (data: Buffer) => {
      const request = parseRequest(data);
      if (request === undefined) socket.close(1008, 'That is no request.');
      else this.#channel.send(request);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.leave());
    link.start();
  }

  /** Ends its session: its breakpoints go, and a process that it held runs on, now or when it can be reached. */
  leave(): void {
    if (this.#isLeaving || this.#store.isDisposed) return;
    this.#isLeaving = true;
    this.#channel.send({ id: leaveId, method: 'Flick.leave' });
    const timer = setTimeout(() => this.dispose(), leavePatience);
    this.#store.add({ dispose: () => clearTimeout(timer) });
    this.#socket.close(1001);
  }

  dispose(error?: FlickError): void {
    this.#store.dispose();
    this.#socket.close(1001);
    this.#gone.resolve(error);
  }

  #deliver(message: unknown): void {
    if (!this.#isLeaving) this.#socket.send(JSON.stringify(message));
    else if ((message as { id?: unknown }).id === leaveId) this.dispose();
  }
}

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
