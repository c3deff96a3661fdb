import assert from 'node:assert/strict';
import type { WebSocket } from 'ws';

/** A plain client of the Chrome DevTools Protocol. */
export class CdpClient {
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (message: { result?: unknown; error?: unknown }) => void>();
  readonly #waiting = new Map<string, (params: never) => void>();
  #lastId = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as {
        id?: number;
        method?: string;
        params?: never;
        result?: unknown;
      };
      if (message.id !== undefined) this.#answers.get(message.id)?.(message);
      else if (message.params !== undefined)
        this.#waiting.get(message.method ?? '')?.(message.params);
    });
  }

  async send<T>(method: string, params: object = {}): Promise<T> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = await new Promise<{ result?: unknown; error?: unknown }>((resolve) => {
      this.#answers.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
    assert.equal(answer.error, undefined);
    return answer.result as T;
  }

  async next<T>(event: string): Promise<T> {
    return new Promise((resolve) => this.#waiting.set(event, resolve));
  }
}
