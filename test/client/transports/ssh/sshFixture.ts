import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentFile } from '../../../../client/agentFile.ts';
import type { HostKeyQuestion, Prompter } from '../../../../client/prompter.ts';
import type { SshSurroundings } from '../../../../client/transports/ssh/sshConnection.ts';
import { SshTransport } from '../../../../client/transports/ssh/sshTransport.ts';
import {
  TransportError,
  type TransportReason,
} from '../../../../client/transports/transportError.ts';
import { protocolVersion } from '../../../../protocol/index.ts';
import { requireProgram, requireRoot, root } from '../../../support/provisioned.ts';
import { temporaryFolder } from '../../../support/temporary.ts';
import { makeKey, SshServer, type SshServerOptions } from './sshServer.ts';

/** Answers questions as told and remembers them. */
export class Person implements Prompter {
  readonly passphrases: { readonly file: string; readonly attempt: number }[] = [];
  readonly hostKeys: HostKeyQuestion[] = [];
  answers: (string | undefined)[] = [];
  trusts = true;
  /** How long this person takes for an answer, in ms. */
  slowness = 0;

  async passphrase(file: string, attempt: number): Promise<string | undefined> {
    this.passphrases.push({ file, attempt });
    await new Promise((resolve) => setTimeout(resolve, this.slowness));
    return this.answers.shift();
  }

  async confirmHostKey(question: HostKeyQuestion): Promise<boolean> {
    this.hostKeys.push(question);
    await new Promise((resolve) => setTimeout(resolve, this.slowness));
    return this.trusts;
  }
}

/** Servers, keys, an empty SSH configuration and a person; everything it made is gone after `dispose`. */
export class SshFixture {
  readonly #folder = temporaryFolder();
  readonly #servers: SshServer[] = [];
  readonly #transports: SshTransport[] = [];
  readonly person = new Person();
  /** Allowed on every server of this fixture. */
  readonly key = join(this.#folder.path, 'id');
  readonly configFile = join(this.#folder.path, 'ssh_config');
  readonly ownKnownHosts = join(this.#folder.path, 'flick/known_hosts');
  readonly userKnownHosts = join(this.#folder.path, 'known_hosts');
  readonly agentFile: AgentFile;

  constructor() {
    makeKey(this.key);
    this.configure([]);
    const agent = join(this.#folder.path, 'agent.cjs');
    const source = readFileSync(join(root, 'test/client/transports/standInAgent.cjs'), 'utf8');
    writeFileSync(agent, source.replace("'PROTOCOL'", `'${protocolVersion}'`));
    this.agentFile = new AgentFile(agent);
  }

  /** Skips where there is no OpenSSH, or nobody who may start its server. */
  static require(context: Mocha.Context): void {
    requireRoot(context);
    for (const program of ['sshd', 'ssh', 'ssh-keygen']) requireProgram(context, program);
  }

  path(name: string): string {
    return join(this.#folder.path, name);
  }

  /** Lines of ssh_config(5); they come before those that keep this machine's own files out. */
  configure(lines: readonly string[]): void {
    const own = [
      'Host *',
      `UserKnownHostsFile ${this.userKnownHosts}`,
      'GlobalKnownHostsFile /dev/null',
      'IdentityAgent none',
    ];
    writeFileSync(this.configFile, [...lines, ...own, ''].join('\n'));
  }

  /** A server that lets {@link key} in, not yet known to anybody. */
  async server(name = 'server', options: SshServerOptions = {}): Promise<SshServer> {
    const server = new SshServer(this.path(name), options).allow(this.key);
    this.#servers.push(server);
    return server.start();
  }

  /** Writes the host keys of servers to the user's known_hosts. */
  know(...servers: readonly SshServer[]): void {
    const lines = servers.map((server) => `${server.name} ${server.publicHostKey}\n`);
    writeFileSync(this.userKnownHosts, lines.join(''), { flag: 'a' });
  }

  transport(
    server: SshServer,
    options: Partial<SshSurroundings> & { readonly identityFile?: string; host?: string } = {},
  ): SshTransport {
    const { identityFile = this.key, host = '127.0.0.1', ...surroundings } = options;
    const port = host === '127.0.0.1' ? { port: server.port } : {};
    const identity = identityFile === '' ? {} : { identityFile };
    const transport = new SshTransport(
      { name: 'device', host, user: 'root', ...port, ...identity },
      {
        prompter: this.person,
        ownKnownHosts: this.ownKnownHosts,
        configFile: this.configFile,
        ...surroundings,
      },
    );
    this.#transports.push(transport);
    return transport;
  }

  async dispose(): Promise<void> {
    for (const transport of this.#transports) transport.dispose();
    for (const server of this.#servers) {
      endDaemon(join(server.home, '.flick/daemon.pid'));
      await server.stop();
    }
    this.#folder.remove();
  }
}

/** For `assert.rejects`: a failure with a reason, whose sentence and remedy a person could use. */
export function failsWith(reason: TransportReason, text?: RegExp): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof TransportError)) throw error;
    if (error.reason !== reason) throw new Error(`${error.reason}: ${error.message}`);
    if (text !== undefined && !text.test(`${error.message} ${error.remedy ?? ''}`)) throw error;
    return true;
  };
}

function endDaemon(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')));
  } catch {
    // It was never started, or is gone.
  }
}
