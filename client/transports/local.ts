import { spawn } from 'node:child_process';
import { connect as connectSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Emitter } from '../../common/event.ts';
import { messageOf } from '../../common/rpc.ts';
import type { AgentHello } from '../../protocol/index.ts';
import type { AgentFile } from '../agentFile.ts';
import { readHello } from './agentOutput.ts';
import type { ExecOptions, ExecResult, Transport } from './transport.ts';
import { TransportError } from './transportError.ts';

/** Longest output of a program that is kept, in characters. */
const maxOutput = 4 << 20;

/** This machine: the agent's unix socket. */
export class LocalTransport implements Transport {
  readonly label = 'this machine';
  readonly #home: string;
  readonly #closed = new Emitter<Error | undefined>();
  #socket: string | undefined;

  /** There is no link below that could break: every connection is one of its own. */
  readonly onDidClose = this.#closed.event;

  constructor(home: string) {
    this.#home = home;
  }

  async connect(): Promise<Duplex> {
    const path = this.#socket;
    if (path === undefined) throw new TransportError('closed', 'The agent was not started yet.');
    return new Promise((resolve, reject) => {
      const socket = connectSocket(path);
      // Stays: failures reach whoever reads or writes, and without a listener Node would end the program.
      socket.on('error', (error) =>
        reject(
          new TransportError(
            'closed',
            `The agent of this machine does not answer: ${error.message}.`,
            {
              remedy: 'Flick starts it again when it reconnects.',
              cause: error,
            },
          ),
        ),
      );
      socket.once('connect', () => resolve(socket));
    });
  }

  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return this.#run(argv, {}, options);
  }

  async ensureAgent(agentFile: AgentFile): Promise<AgentHello> {
    // In VS Code `execPath` is Electron.
    const environment = { ELECTRON_RUN_AS_NODE: '1' };
    const argv = [process.execPath, agentFile.path, 'start'];
    const { stdout, stderr } = await this.#run(argv, environment);
    const hello = readHello(stdout);
    if (hello === undefined) {
      const why = stderr.trim().split('\n').at(-1) || 'it said nothing';
      throw new TransportError('agentStart', `The agent of this machine did not start: ${why}`, {
        remedy: `Its log is agent.log in ${this.#home}.`,
      });
    }
    this.#socket = hello.socket;
    return hello;
  }

  dispose(): void {
    this.#closed.dispose();
  }

  async #run(
    argv: readonly string[],
    environment: Readonly<Record<string, string>>,
    { input, signal }: ExecOptions = {},
  ): Promise<ExecResult> {
    if (signal?.aborted === true) return { exitCode: null, stdout: '', stderr: '' };
    const [file = '', ...rest] = argv;
    return new Promise((resolve, reject) => {
      const child = spawn(file, rest, {
        env: { ...process.env, FLICK_HOME: this.#home, ...environment },
        signal,
      });
      let stdout = '';
      let stderr = '';
      const keep = (text: string, chunk: string): string => (text + chunk).slice(-maxOutput);
      child.stdout
        .setEncoding('utf8')
        .on('data', (chunk: string) => (stdout = keep(stdout, chunk)));
      child.stderr
        .setEncoding('utf8')
        .on('data', (chunk: string) => (stderr = keep(stderr, chunk)));
      child.on('error', (error: NodeJS.ErrnoException) => {
        if (signal?.aborted === true) return;
        // As a shell says it, and as a device does.
        if (error.code === 'ENOENT') resolve({ exitCode: 127, stdout, stderr: error.message });
        else if (error.code === 'EACCES') resolve({ exitCode: 126, stdout, stderr: error.message });
        else reject(new TransportError('closed', messageOf(error), { cause: error }));
      });
      child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
      // A program that does not read to the end is no error.
      child.stdin.on('error', () => undefined);
      if (input === undefined || Buffer.isBuffer(input)) {
        child.stdin.end(input);
        return;
      }
      let problem: unknown;
      input.once('error', (error) => (problem = error));
      pipeline(input, child.stdin).catch(() => {
        if (problem === undefined) return;
        child.kill();
        reject(problem);
      });
    });
  }
}
