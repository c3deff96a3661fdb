import assert from 'node:assert/strict';
import WebSocket from 'ws';
import type { Application } from './application.ts';

interface Line {
  readonly number: number;
  readonly name: string;
  readonly text: string;
}

/** A member of a chat room, who connects again whenever the connection breaks. */
export class ChatMember {
  readonly #url: string;
  readonly #lines = new Map<number, Line>();
  #socket: WebSocket | undefined;
  #connections = 0;
  #over = false;

  constructor(app: Application, room: string, name: string) {
    this.#url = `ws://127.0.0.1:${String(app.port)}/?room=${room}&name=${name}`;
    this.#connect();
  }

  /** Says something, and waits until the room has heard it. */
  async say(text: string): Promise<void> {
    const deadline = Date.now() + 20_000;
    const heard = (): boolean => [...this.#lines.values()].some((line) => line.text === text);
    let said: WebSocket | undefined;
    while (!heard()) {
      assert.ok(Date.now() < deadline, `nobody heard ${text}`);
      // What broke with its connection may have been heard: the history of the next one says so.
      if (this.#socket?.readyState === WebSocket.OPEN && said !== this.#socket && this.#isIn) {
        said = this.#socket;
        said.send(text);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** What was said, in order; nothing is missing and nothing was said twice. */
  get lines(): readonly string[] {
    return Array.from({ length: this.#lines.size }, (_, index) => {
      const line = this.#lines.get(index + 1);
      assert.ok(line !== undefined, `line ${String(index + 1)} is missing`);
      return `${line.name}: ${line.text}`;
    });
  }

  get connections(): number {
    return this.#connections;
  }

  leave(): void {
    this.#over = true;
    this.#socket?.terminate();
  }

  #isIn = false;

  #connect(): void {
    if (this.#over) return;
    this.#isIn = false;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => setTimeout(() => this.#connect(), 20));
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as
        | { readonly kind: 'history'; readonly lines: readonly Line[] }
        | { readonly kind: 'line'; readonly line: Line };
      if (message.kind === 'history') {
        this.#connections += 1;
        this.#isIn = true;
      }
      for (const line of message.kind === 'history' ? message.lines : [message.line]) {
        assert.deepEqual(this.#lines.get(line.number) ?? line, line);
        this.#lines.set(line.number, line);
      }
    });
  }
}
