import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';
import { captureProgram, restoreProgram } from '../../../agent/engines/v8/index.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { nodeCommand, type NodeName } from '../nodes.ts';

/** Many times what a move takes, also into a Node.js that is emulated on a busy machine, in ms. */
const limitMs = 240_000;
/** A program that is emulated takes its time to get ready for its capture, in ms. */
const patienceMs = 60_000;

/** What a server answered. */
export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A server that runs on its own and is used from outside while it moves. */
export class Application {
  readonly #folder = temporaryFolder();
  readonly #file: string;
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;
  #output = '';
  #errors = '';
  #port = 0;
  #moves = 0;

  /** @param name of a file in programs/ */
  constructor(name: string, env: NodeJS.ProcessEnv = {}) {
    this.#file = join(import.meta.dirname, 'programs', name);
    this.#env = { ...process.env, NODE_OPTIONS: undefined, ...env };
  }

  /** Starts it and waits until it says which port it serves. */
  async start(name: NodeName): Promise<void> {
    const [node = '', ...before] = nodeCommand(name);
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    this.#adopt(spawn(node, [...before, this.#file], { env: this.#env, stdio: [...stdio] }));
    const found = await this.shows(/^port (\d+)$/m);
    this.#port = Number(found[1]);
  }

  /**
   * Moves it into another Node.js.
   * @returns how long it stood still, in ms: from asking for the capture to the first answer after it
   */
  async move(target: NodeName): Promise<number> {
    const began = Date.now();
    const pid = this.#child?.pid;
    assert.ok(pid !== undefined, 'it has been started');
    this.#moves += 1;
    const file = join(this.#folder.path, `capsule-${String(this.#moves)}`);
    const gone = this.#ends();
    await captureProgram({ pid, file, patienceMs, end: true });
    await gone;
    this.#adopt(
      restoreProgram({ file, node: nodeCommand(target), stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    return Date.now() - began;
  }

  /** Waits for a text in all that it has printed. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const found = pattern.exec(this.#output);
      if (found !== null) return found;
      const child = this.#child;
      const ended = child?.exitCode ?? child?.signalCode;
      assert.ok(ended == null, `it ended with ${String(ended)}: ${this.#errors}`);
      assert.ok(Date.now() < deadline, `${String(pattern)} in ${this.#output}\n${this.#errors}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** One request over a connection of its own; while nobody serves the port it asks again. */
  async ask(
    path: string,
    options: { method?: string; headers?: Record<string, string>; body?: unknown } = {},
  ): Promise<Reply> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      try {
        return await this.#askOnce(path, options);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        const passing = code === 'ECONNREFUSED' || code === 'ECONNRESET';
        if (!passing || Date.now() > deadline) throw new Error(this.#errors, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  get port(): number {
    return this.#port;
  }

  get output(): string {
    return this.#output;
  }

  /** Ends it. */
  async dispose(): Promise<void> {
    const gone = this.#ends();
    this.#child?.kill('SIGKILL');
    await gone;
    this.#folder.remove();
  }

  #adopt(child: ChildProcess): void {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.#output += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.#errors += chunk));
  }

  #ends(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return Promise.resolve();
    }
    return new Promise((resolve) => child.once('close', () => resolve()));
  }

  #askOnce(
    path: string,
    options: { method?: string; headers?: Record<string, string>; body?: unknown },
  ): Promise<Reply> {
    const { method = 'GET', headers = {}, body } = options;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const typed = text === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const asked = request({
        ...{ host: '127.0.0.1', port: this.#port, path, method, agent: false },
        headers: { ...headers, ...typed },
      });
      asked.on('error', reject).on('response', (response) => {
        let received = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
        response.on('error', reject).on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: received,
            headers: response.headers,
          }),
        );
      });
      asked.end(text);
    });
  }
}
