import type { Duplex } from 'node:stream';
import { Client, type AuthenticationType, type ConnectConfig } from 'ssh2';
import type { Disposable } from '../../../common/disposable.ts';
import { Emitter } from '../../../common/event.ts';
import { messageOf } from '../../../common/rpc.ts';
import { parseDeviceAddress, type DeviceEntry } from '../../deviceEntry.ts';
import type { Prompter } from '../../prompter.ts';
import { TransportError } from '../transportError.ts';
import { connectionProblem } from './connectionProblem.ts';
import { HostKeyVerifier } from './hostKeyVerifier.ts';
import { KeyRing } from './keyRing.ts';
import { resolveTarget, type SshTarget } from './sshConfiguration.ts';
import { Stopwatch } from './stopwatch.ts';

const defaultTiming = { connectMs: 15_000, keepAliveMs: 10_000 };
/** How many keep-alives may stay without an answer. */
const keepAliveMisses = 3;
const maxJumps = 8;
/** How long a farewell may take before the socket is closed without one, in ms. */
const farewell = 1_000;

export interface SshSurroundings {
  readonly prompter: Prompter;
  /** Where keys are remembered that the user has confirmed. */
  readonly ownKnownHosts: string;
  /** An SSH configuration in place of the user's and the system's. */
  readonly configFile?: string | undefined;
  /** How long a server may take to answer while nobody is being asked anything, and how often it is asked for a sign. */
  readonly timing?: { readonly connectMs: number; readonly keepAliveMs: number } | undefined;
}

/** An SSH connection with the jump connections that it runs through. */
export class SshConnection implements Disposable {
  readonly client: Client;
  readonly #hops: readonly Client[];
  readonly #closed = new Emitter<Error | undefined>();
  #lastError: Error | undefined;

  /** The connection is lost, and why if that is known; not after `dispose`. */
  readonly onDidClose = this.#closed.event;

  constructor(hops: readonly Client[], client: Client) {
    this.#hops = hops;
    this.client = client;
    client.on('error', (error: Error) => (this.#lastError = error));
    client.once('close', () => {
      this.#closed.fire(this.#lastError);
      this.dispose();
    });
  }

  dispose(): void {
    this.#closed.dispose();
    for (const client of [...this.#hops].reverse()) end(client);
  }
}

/**
 * Opens an SSH connection, through jump hosts where the configuration asks for them; every hop's host key is checked.
 * @throws {TransportError}
 */
export async function openSsh(
  entry: Pick<DeviceEntry, 'host' | 'port' | 'user' | 'identityFile'>,
  surroundings: SshSurroundings,
): Promise<SshConnection> {
  const clients: Client[] = [];
  try {
    let last: Client | undefined;
    for (const target of await route(entry, surroundings.configFile)) {
      last = await openHop(target, surroundings, last);
      clients.push(last);
    }
    if (last === undefined) throw new Error('a route has at least one hop');
    return new SshConnection(clients, last);
  } catch (error) {
    for (const client of clients.reverse()) end(client);
    throw error;
  }
}

/**
 * All hosts from the first jump to the device. As in OpenSSH, the first jump is looked up in the configuration with
 * jumps of its own, the others are reached through the one before them.
 */
async function route(
  entry: Pick<DeviceEntry, 'host' | 'port' | 'user' | 'identityFile'>,
  configFile: string | undefined,
): Promise<SshTarget[]> {
  const device = await resolveTarget(entry, configFile);
  const targets = [device];
  for (let jumps = device.jumps; jumps.length > 0;) {
    const hops: SshTarget[] = [];
    for (const jump of jumps) hops.push(await resolveTarget(jumpEntry(jump), configFile));
    targets.unshift(...hops);
    jumps = hops[0]?.jumps ?? [];
    if (targets.length > maxJumps + 1) {
      throw new TransportError(
        'configuration',
        `The way to ${device.host} goes through more than ${maxJumps} jump hosts.`,
        {
          remedy:
            'If ProxyJump is set for all hosts, take the jump host out (Host * !JUMP): it would be reached through itself.',
        },
      );
    }
  }
  return targets;
}

function jumpEntry(jump: string): DeviceEntry {
  try {
    return parseDeviceAddress('jump', jump);
  } catch (error) {
    throw new TransportError('configuration', `“${jump}” is no jump host: ${messageOf(error)}`, {
      remedy: 'Correct ProxyJump in your SSH configuration.',
      cause: error,
    });
  }
}

/** Where a person took so long to answer that the server gave up, it is tried once more: the answer is known by then. */
async function openHop(
  target: SshTarget,
  surroundings: SshSurroundings,
  through: Client | undefined,
): Promise<Client> {
  const first = new Attempt(target, surroundings);
  try {
    return await first.open(through);
  } catch (error) {
    const isFinal = error instanceof TransportError && error.needsPerson;
    if (isFinal || !first.hasAsked) throw error;
    await first.answered();
    return new Attempt(target, surroundings).open(through);
  }
}

/** One try to log in to one host. */
class Attempt {
  readonly #target: SshTarget;
  readonly #surroundings: SshSurroundings;
  readonly #timing: { readonly connectMs: number; readonly keepAliveMs: number };
  readonly #stopwatch: Stopwatch;
  readonly #timedOut: Promise<never>;

  constructor(target: SshTarget, surroundings: SshSurroundings) {
    this.#target = target;
    this.#surroundings = surroundings;
    this.#timing = surroundings.timing ?? defaultTiming;
    let expire = (): void => undefined;
    this.#timedOut = new Promise<never>((_resolve, reject) => {
      expire = () => reject(new Error('it did not answer in time'));
    });
    this.#timedOut.catch(() => undefined);
    this.#stopwatch = new Stopwatch(this.#timing.connectMs, () => expire());
  }

  /** Somebody was asked a question meanwhile. */
  get hasAsked(): boolean {
    return this.#stopwatch.hasPaused;
  }

  /** Resolves when the person has answered what this attempt asked. */
  async answered(): Promise<void> {
    return this.#stopwatch.over();
  }

  async open(through: Client | undefined): Promise<Client> {
    const target = this.#target;
    const { ownKnownHosts, prompter } = this.#surroundings;
    const { paused } = this.#stopwatch;
    const verifier = await HostKeyVerifier.create(target, ownKnownHosts, prompter, paused);
    const keys = await KeyRing.gather(target, prompter, paused);
    const client = new Client();
    this.#stopwatch.start();
    try {
      const socket =
        through === undefined
          ? undefined
          : await Promise.race([tunnel(through, target), this.#timedOut]);
      await Promise.race([
        this.#timedOut,
        loggedIn(client, {
          host: target.host,
          port: target.port,
          username: target.user,
          // The stopwatch stands still while a person is asked; ssh2's own does not.
          readyTimeout: 0,
          keepaliveInterval: this.#timing.keepAliveMs,
          keepaliveCountMax: keepAliveMisses,
          algorithms: { serverHostKey: verifier.algorithms },
          hostVerifier: (key: Buffer, verdict: (accepted: boolean) => void) => {
            void verifier.verify(key).then(verdict);
          },
          authHandler: offerOnce(target, keys),
          ...(socket === undefined ? {} : { sock: socket }),
        }),
      ]);
    } catch (error) {
      end(client);
      throw verifier.problem ?? connectionProblem(target, error, keys);
    } finally {
      void this.#stopwatch.over();
    }
    // Requests and keystrokes are small and wanted at once.
    client.setNoDelay(true);
    return client;
  }
}

async function loggedIn(client: Client, config: ConnectConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    // Stays for the life of the client: an `error` without a listener would end the program.
    client.on('error', (error: Error & { level?: string }) => {
      // One key could not be used; ssh2 goes on with the next.
      if (error.level !== 'agent') reject(error);
    });
    client.once('ready', resolve);
    client.once('close', () => reject(new Error('the connection was closed')));
    client.connect(config);
  });
}

/** ssh2 takes `false` for “there is nothing more to try”; its types do not say so. */
const noMore = false as unknown as AuthenticationType;

function offerOnce(target: SshTarget, keys: KeyRing): NonNullable<ConnectConfig['authHandler']> {
  let offered = keys.size === 0;
  return (_left, _partial, next) => {
    const method = offered
      ? noMore
      : ({ type: 'agent', username: target.user, agent: keys } as const);
    offered = true;
    next(method);
  };
}

async function tunnel(through: Client, target: SshTarget): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void =>
      reject(
        new TransportError(
          'unreachable',
          `The jump host could not reach ${target.host}:${target.port}: ${messageOf(error)}.`,
          {
            remedy: 'Check that the device is on, and that the jump host may forward TCP.',
            cause: error,
          },
        ),
      );
    try {
      through.forwardOut('127.0.0.1', 0, target.host, target.port, (error, channel) => {
        if (error === undefined || error === null) resolve(channel);
        else failed(error);
      });
    } catch (error) {
      failed(error);
    }
  });
}

/** Says goodbye, and closes the socket when nobody listens any more. */
function end(client: Client): void {
  client.on('error', () => undefined);
  const timer = setTimeout(() => client.destroy(), farewell);
  // The socket itself keeps the program until then.
  timer.unref();
  client.once('close', () => clearTimeout(timer));
  client.end();
}
