import { spawn } from 'node:child_process';
import { connect as connectSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import { Emitter } from '../../common/event.ts';
import { agentHello, FlickError, type AgentHello } from '../../protocol/index.ts';
import type { AgentFile } from '../agentFile.ts';
import type { ExecResult, Transport } from './transport.ts';

/** This machine: the agent's unix socket. */
export class LocalTransport implements Transport {
  readonly label = 'this machine';
  readonly #home: string;
  readonly #closed = new Emitter<void>();
  #socket: string | undefined;
  readonly onDidClose = this.#closed.event;

  constructor(home: string) {
    this.#home = home;
  }

  async connect(): Promise<Duplex> {
    const path = this.#socket ?? '';
    return new Promise((resolve, reject) => {
      const socket = connectSocket(path);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(socket);
      });
    });
  }

  async exec(
    argv: readonly string[],
    options: { readonly input?: Buffer; readonly signal?: AbortSignal } = {},
  ): Promise<ExecResult> {
    const [file = '', ...rest] = argv;
    return new Promise((resolve, reject) => {
      const child = spawn(file, rest, {
        env: { ...process.env, FLICK_HOME: this.#home, ELECTRON_RUN_AS_NODE: '1' },
        signal: options.signal,
      });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      child.on('error', reject);
      child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
      child.stdin.end(options.input);
    });
  }

  async ensureAgent(agentFile: AgentFile): Promise<AgentHello> {
    const { stdout, stderr, exitCode } = await this.exec([
      process.execPath,
      agentFile.path,
      'start',
    ]);
    if (exitCode !== 0) throw new FlickError('internal', `The agent did not start: ${stderr}`);
    const hello = v.parse(agentHello, JSON.parse(stdout));
    this.#socket = hello.socket;
    return hello;
  }

  dispose(): void {
    this.#closed.dispose();
  }
}
