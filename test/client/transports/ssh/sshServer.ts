import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../support/freePort.ts';

export interface SshServerOptions {
  /** Lines of sshd_config(5), before those that are the same for all. */
  readonly config?: readonly string[];
  readonly port?: number;
  /** Files that are not there for what logs in: covered in a mount namespace of the server. */
  readonly hidden?: readonly string[];
}

/** A real sshd on a loopback port, with keys and a home of its own; logs in root. */
export class SshServer {
  readonly folder: string;
  /** `HOME` of whoever logs in. */
  readonly home: string;
  readonly #options: SshServerOptions;
  port = 0;
  #child: ChildProcess | undefined;

  constructor(folder: string, options: SshServerOptions = {}) {
    this.folder = folder;
    this.home = join(folder, 'home');
    this.#options = options;
    mkdirSync(this.home, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    if (!existsSync(this.hostKey)) makeKey(this.hostKey);
    writeFileSync(join(folder, 'authorized_keys'), '', { flag: 'a', mode: 0o600 });
  }

  get hostKey(): string {
    return join(this.folder, 'host_key');
  }

  /** `ssh-ed25519 AAAA…` */
  get publicHostKey(): string {
    return publicKey(this.hostKey);
  }

  /** Name of this server in a known_hosts file. */
  get name(): string {
    return `[127.0.0.1]:${this.port}`;
  }

  allow(keyFile: string): this {
    const file = join(this.folder, 'authorized_keys');
    writeFileSync(file, `${publicKey(keyFile)}\n`, { flag: 'a' });
    return this;
  }

  async start(): Promise<this> {
    this.port ||= this.#options.port ?? (await freePort());
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    const path = join(this.folder, 'sshd_config');
    const lines = [
      ...(this.#options.config ?? []),
      `Port ${this.port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${this.hostKey}`,
      `AuthorizedKeysFile ${join(this.folder, 'authorized_keys')}`,
      `PidFile ${join(this.folder, 'sshd.pid')}`,
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'UsePAM no',
      'StrictModes no',
      'PrintMotd no',
      'Subsystem sftp /bin/false',
    ];
    if (!lines.some((line) => line.startsWith('SetEnv'))) lines.push(`SetEnv HOME=${this.home}`);
    writeFileSync(path, `${lines.join('\n')}\n`);
    const sshd = ['/usr/sbin/sshd', '-D', '-e', '-f', path];
    const cover = 'for file in $COVERED; do mount --bind /dev/null "$file"; done; exec "$@"';
    const [command = '', ...args] =
      this.#options.hidden === undefined
        ? sshd
        : ['unshare', '-m', '--propagation', 'private', 'sh', '-c', cover, 'sh', ...sshd];
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], COVERED: (this.#options.hidden ?? []).join(' ') },
    });
    this.#child = child;
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    for (let i = 0; i < 800; i += 1) {
      if (child.exitCode !== null) break;
      if (await listens(this.port)) return this;
      await delay(25);
    }
    throw new Error(`sshd did not start: ${log}`);
  }

  /** Ends the server with all its connections, as a power cut does. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null) return;
    for (const pid of descendants(child.pid)) kill(pid);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
}

/** Makes a key pair at a path. */
export function makeKey(path: string, options: { type?: string; passphrase?: string } = {}): void {
  const { type = 'ed25519', passphrase = '' } = options;
  run('ssh-keygen', ['-q', '-t', type, '-a', '1', '-N', passphrase, '-C', 'test', '-f', path]);
}

/** The public half of a key, without its comment. */
export function publicKey(path: string): string {
  return readFileSync(`${path}.pub`, 'utf8').trim().split(' ').slice(0, 2).join(' ');
}

/** As `ssh-keygen -l` prints it. */
export function fingerprintOf(path: string): string {
  return run('ssh-keygen', ['-lf', `${path}.pub`]).split(' ')[1] ?? '';
}

export function run(command: string, args: readonly string[], input?: string): string {
  const result = spawnSync(command, args, { encoding: 'utf8', input });
  if (result.status !== 0) throw new Error(`${command}: ${result.stderr}`);
  return result.stdout;
}

async function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Sessions of a server, each before its commands: none is left that could tell how its command ended. */
function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

function childrenOf(pid: number): number[] {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  } catch {
    // It has ended; between a look whether it is there and the reading it could do so too.
    return [];
  }
  return text
    .split(' ')
    .filter((each) => each.trim() !== '')
    .map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone meanwhile.
  }
}
