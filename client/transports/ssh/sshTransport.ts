import type { Duplex } from 'node:stream';
import { Emitter } from '../../../common/event.ts';
import { messageOf } from '../../../common/rpc.ts';
import type { AgentHello } from '../../../protocol/index.ts';
import type { AgentFile } from '../../agentFile.ts';
import { formatDeviceAddress, type DeviceEntry } from '../../deviceEntry.ts';
import type { ExecOptions, ExecResult, Transport } from '../transport.ts';
import { TransportError } from '../transportError.ts';
import { forwardSocket, openScriptStream, runScript } from './channels.ts';
import { probe, push, start, type Probe, type RunScript } from './installer.ts';
import { openSsh, type SshConnection, type SshSurroundings } from './sshConnection.ts';

/** A device reached over SSH: one connection for everything, opened again when it was lost. */
export class SshTransport implements Transport {
  readonly label: string;
  readonly #entry: DeviceEntry;
  readonly #surroundings: SshSurroundings;
  readonly #closed = new Emitter<Error | undefined>();
  #connection: Promise<SshConnection> | undefined;
  #agent: { readonly found: Probe; readonly hello: AgentHello } | undefined;
  /** Whether this server forwards to unix sockets; undefined until it was tried. */
  #forwards: boolean | undefined;
  #disposed = false;

  readonly onDidClose = this.#closed.event;

  constructor(entry: DeviceEntry, surroundings: SshSurroundings) {
    this.label = formatDeviceAddress(entry);
    this.#entry = entry;
    this.#surroundings = surroundings;
  }

  async connect(): Promise<Duplex> {
    const { client } = await this.#connected();
    const agent = this.#agent;
    if (agent === undefined) throw new TransportError('closed', 'The agent was not started yet.');
    const { found, hello } = agent;
    if (this.#forwards !== false) {
      try {
        const stream = await forwardSocket(client, hello.socket);
        this.#forwards = true;
        return stream;
      } catch (error) {
        // OpenSSH does not tell a forbidden forwarding from an absent socket; the agent has just said that it listens.
        if (this.#forwards === true) {
          throw new TransportError(
            'forwardRefused',
            `The agent’s socket could not be reached: ${messageOf(error)}.`,
            { remedy: 'Flick starts the agent again when it reconnects.', cause: error },
          );
        }
      }
    }
    const stream = await openScriptStream(client, 'exec "$1" "$2" pipe', [
      found.node,
      found.agentPath,
    ]);
    this.#forwards = false;
    return stream;
  }

  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const { client } = await this.#connected();
    return runScript(client, 'exec "$@"', argv, options);
  }

  async ensureAgent(
    agentFile: AgentFile,
    progress: (text: string) => void = () => undefined,
  ): Promise<AgentHello> {
    const { client } = await this.#connected();
    const run: RunScript = (script, words, options) => runScript(client, script, words, options);
    const found = await probe(run, agentFile.sha256);
    if (!found.present) {
      const copying = 'copying the agent to the device';
      progress(copying);
      await push(run, found, agentFile, (percent) => progress(`${copying} (${percent} %)`));
    }
    progress('starting the agent');
    const hello = await start(run, found);
    this.#agent = { found, hello };
    return hello;
  }

  dispose(): void {
    this.#disposed = true;
    this.#closed.dispose();
    void this.#connection?.then((connection) => connection.dispose()).catch(() => undefined);
    this.#connection = undefined;
  }

  async #connected(): Promise<SshConnection> {
    if (this.#disposed) throw new TransportError('closed', 'The connection was ended.');
    this.#connection ??= this.#open();
    return this.#connection;
  }

  async #open(): Promise<SshConnection> {
    this.#forwards = undefined;
    try {
      const connection = await openSsh(this.#entry, this.#surroundings);
      connection.onDidClose((error) => {
        this.#connection = undefined;
        this.#closed.fire(error);
      });
      return connection;
    } catch (error) {
      this.#connection = undefined;
      throw error;
    }
  }
}
