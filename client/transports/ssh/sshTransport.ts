import type { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import { Emitter } from '../../../common/event.ts';
import { messageOf } from '../../../common/rpc.ts';
import type { AgentHello } from '../../../protocol/index.ts';
import type { AgentFile } from '../../agentFile.ts';
import { formatDeviceAddress, type DeviceEntry } from '../../deviceEntry.ts';
import type { ExecResult, Transport } from '../transport.ts';
import { TransportError } from '../transportError.ts';
import { probe, push, start, type Probe, type RunScript } from './installer.ts';
import { resolveTarget } from './sshConfiguration.ts';
import { openSsh, type SshSurroundings } from './sshConnection.ts';

/** Longest output of a command that is kept, in characters. */
const maxOutput = 4 << 20;

/** A device reached over SSH: one connection for everything, opened again when it was lost. */
export class SshTransport implements Transport {
  readonly label: string;
  readonly #entry: DeviceEntry;
  readonly #surroundings: SshSurroundings;
  readonly #closed = new Emitter<void>();
  #client: Promise<Client> | undefined;
  #found: Probe | undefined;
  #socket: string | undefined;
  #forwards = true;
  #disposed = false;

  readonly onDidClose = this.#closed.event;

  constructor(entry: DeviceEntry, surroundings: SshSurroundings) {
    this.label = formatDeviceAddress(entry);
    this.#entry = entry;
    this.#surroundings = surroundings;
  }

  async connect(): Promise<Duplex> {
    const client = await this.#connected();
    const socket = this.#socket;
    if (socket === undefined) throw new TransportError('closed', 'The agent was not started yet.');
    if (this.#forwards) {
      try {
        return await forwardSocket(client, socket);
      } catch (error) {
        if (!isProhibited(error)) {
          throw new TransportError(
            'forwardRefused',
            `The agent’s socket could not be reached: ${messageOf(error)}`,
            {
              cause: error,
            },
          );
        }
        // The server forwards no sockets, and will not change its mind on this connection.
        this.#forwards = false;
      }
    }
    const found = this.#found;
    if (found === undefined) throw new TransportError('closed', 'The agent was not started yet.');
    return openChannel(client, shellCommand('exec "$1" "$2" pipe', [found.node, found.agentPath]));
  }

  async exec(
    argv: readonly string[],
    options: { readonly input?: Buffer; readonly signal?: AbortSignal } = {},
  ): Promise<ExecResult> {
    const words = argv.map((_, index) => `"\${${index + 1}}"`).join(' ');
    return this.#run(words, argv, options.input, options.signal);
  }

  async ensureAgent(
    agentFile: AgentFile,
    progress: (text: string) => void = () => undefined,
  ): Promise<AgentHello> {
    const run: RunScript = (script, words, input) => this.#run(script, words, input);
    const found = await probe(run, agentFile.sha256);
    this.#found = found;
    if (!found.present) {
      progress('copying the agent to the device');
      await push(run, found, agentFile);
    }
    progress('starting the agent');
    const hello = await start(run, found);
    this.#socket = hello.socket;
    return hello;
  }

  dispose(): void {
    this.#disposed = true;
    void this.#client?.then((client) => client.end()).catch(() => undefined);
    this.#client = undefined;
    this.#closed.dispose();
  }

  async #connected(): Promise<Client> {
    this.#client ??= this.#open();
    return this.#client;
  }

  async #open(): Promise<Client> {
    try {
      const client = await openSsh(await resolveTarget(this.#entry), this.#surroundings);
      client.once('close', () => {
        this.#client = undefined;
        if (!this.#disposed) this.#closed.fire();
      });
      return client;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }

  async #run(
    script: string,
    words: readonly string[],
    input?: Buffer,
    signal?: AbortSignal,
  ): Promise<ExecResult> {
    const channel = await openChannel(await this.#connected(), shellCommand(script, words));
    const abort = (): void => channel.close();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await collect(channel, input);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }
}

/**
 * Whatever the login shell is (bash, fish, csh), it is handed three plain words and one quoted script; every word of
 * ours is quoted in the one way that all of them read alike.
 */
function shellCommand(script: string, words: readonly string[]): string {
  return ['sh', '-c', script, 'sh', ...words].map(quoted).join(' ');
}

function quoted(word: string): string {
  if (/^[A-Za-z0-9_/.:=-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

async function forwardSocket(client: Client, path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.openssh_forwardOutStreamLocal(path, (error, channel) => {
      if (error === undefined || error === null) resolve(quiet(channel));
      else reject(error);
    });
  });
}

async function openChannel(client: Client, command: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    try {
      client.exec(command, (error, channel) => {
        if (error === undefined || error === null) resolve(quiet(channel));
        else reject(new TransportError('closed', `The device ran no command: ${messageOf(error)}`));
      });
    } catch (error) {
      reject(new TransportError('closed', `The connection was lost: ${messageOf(error)}`));
    }
  });
}

/** Failures reach whoever reads or writes; without a listener Node would end the program. */
function quiet<T extends Duplex>(channel: T): T {
  channel.on('error', () => undefined);
  return channel;
}

async function collect(channel: ClientChannel, input: Buffer | undefined): Promise<ExecResult> {
  return new Promise((resolve) => {
    let stdout = '';
    let stderr = '';
    let code: number | null = null;
    channel.setEncoding('utf8');
    channel.on('data', (chunk: string) => (stdout = (stdout + chunk).slice(-maxOutput)));
    channel.stderr.setEncoding('utf8');
    channel.stderr.on('data', (chunk: string) => (stderr = (stderr + chunk).slice(-maxOutput)));
    channel.once('exit', (status: number | null) => (code = status));
    channel.once('close', () => resolve({ exitCode: code, stdout, stderr }));
    channel.end(input);
  });
}

/** SSH_OPEN_ADMINISTRATIVELY_PROHIBITED or SSH_OPEN_UNKNOWN_CHANNEL_TYPE (RFC 4254, section 5.1). */
function isProhibited(error: unknown): boolean {
  const reason = error instanceof Error && 'reason' in error ? Number(error.reason) : 0;
  return reason === 1 || reason === 3;
}
