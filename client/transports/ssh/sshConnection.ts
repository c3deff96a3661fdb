import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import {
  Client,
  utils,
  type AnyAuthMethod,
  type AuthenticationType,
  type ConnectConfig,
  type ServerHostKeyAlgorithm,
} from 'ssh2';
import { messageOf } from '../../../common/rpc.ts';
import { FlickError } from '../../../protocol/index.ts';
import { parseDeviceAddress } from '../../deviceEntry.ts';
import type { Prompter } from '../../prompter.ts';
import { TransportError } from '../transportError.ts';
import { fingerprint, keyTypeOf, KnownHosts, rememberHost } from './knownHosts.ts';
import { resolveTarget, type SshTarget } from './sshConfiguration.ts';

const connectTimeout = 15_000;
/** A link that answers nothing for three of these is gone, in ms. */
const keepAlive = 10_000;
const keepAliveMisses = 3;
const maxJumps = 8;
const maxPassphraseAttempts = 3;

const hostKeyAlgorithms: readonly string[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

export interface SshSurroundings {
  readonly prompter: Prompter;
  /** Where keys are remembered that the user has confirmed. */
  readonly ownKnownHosts: string;
}

/**
 * Opens an SSH connection, through jump hosts where the configuration asks for them; every hop's host key is checked.
 * @throws {TransportError}
 */
export async function openSsh(target: SshTarget, surroundings: SshSurroundings): Promise<Client> {
  if (target.jumps.length > maxJumps) {
    throw new TransportError('configuration', `The way to ${target.host} has too many jumps.`);
  }
  let through: Client | undefined;
  for (const jump of target.jumps) {
    const hop: SshTarget = {
      ...(await resolveTarget(parseDeviceAddress('jump', jump))),
      jumps: [],
    };
    through = await openHop(hop, surroundings, through);
  }
  return openHop(target, surroundings, through);
}

async function openHop(
  target: SshTarget,
  surroundings: SshSurroundings,
  through: Client | undefined,
): Promise<Client> {
  const files = [...target.knownHostsFiles, surroundings.ownKnownHosts];
  const known = await KnownHosts.read(files);
  const verifier = new HostKeyVerifier(target, known, surroundings);
  const socket = through === undefined ? undefined : await tunnel(through, target);
  const config: ConnectConfig = {
    host: target.host,
    port: target.port,
    username: target.user,
    readyTimeout: connectTimeout,
    keepaliveInterval: keepAlive,
    keepaliveCountMax: keepAliveMisses,
    algorithms: { serverHostKey: preferred(known.keyTypes(target.hostKeyAlias, target.port)) },
    hostVerifier: (key: Buffer, verdict: (accepted: boolean) => void) => {
      void verifier.verify(key).then(verdict);
    },
    authHandler: authentication(target, surroundings.prompter, verifier),
    ...(socket === undefined ? {} : { sock: socket }),
  };
  const client = new Client();
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve);
      client.once('error', reject);
      client.once('close', () => reject(new Error('the connection was closed')));
      client.connect(config);
    });
  } catch (error) {
    client.end();
    through?.end();
    throw verifier.problem ?? connectionProblem(target, error);
  }
  client.on('error', () => undefined);
  if (through !== undefined) client.once('close', () => through.end());
  return client;
}

async function tunnel(through: Client, target: SshTarget): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    through.forwardOut('127.0.0.1', 0, target.host, target.port, (error, channel) => {
      if (error === undefined || error === null) resolve(channel);
      else {
        through.end();
        reject(
          new TransportError(
            'unreachable',
            `The jump host could not reach ${target.host}: ${messageOf(error)}`,
          ),
        );
      }
    });
  });
}

function preferred(known: readonly string[]): ServerHostKeyAlgorithm[] {
  const wanted = known.flatMap((type) =>
    type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type],
  );
  const ordered = [...wanted, ...hostKeyAlgorithms].filter(
    (name, index, all) => hostKeyAlgorithms.includes(name) && all.indexOf(name) === index,
  );
  return ordered as ServerHostKeyAlgorithm[];
}

class HostKeyVerifier {
  readonly #target: SshTarget;
  readonly #known: KnownHosts;
  readonly #surroundings: SshSurroundings;
  /** Why the key was not accepted. */
  problem: TransportError | undefined;

  constructor(target: SshTarget, known: KnownHosts, surroundings: SshSurroundings) {
    this.#target = target;
    this.#known = known;
    this.#surroundings = surroundings;
  }

  async verify(key: Buffer): Promise<boolean> {
    const { hostKeyAlias: host, port } = this.#target;
    const shown = fingerprint(key);
    const verdict = this.#known.check(host, port, key);
    switch (verdict.kind) {
      case 'known':
        return true;
      case 'revoked':
        this.problem = new TransportError(
          'hostKeyRevoked',
          `The key that ${host} showed (${shown}) is marked as revoked in ${verdict.where}.`,
          { remedy: 'Do not connect until you know why, and what the device’s right key is.' },
        );
        return false;
      case 'changed':
        this.problem = new TransportError(
          'hostKeyChanged',
          `The key of ${host} has changed: it showed ${shown}, expected was ${verdict.expected
            .map((each) => `${each.fingerprint} (${each.where})`)
            .join(' or ')}.`,
          {
            remedy:
              'If the device was set up anew, remove the old line and connect again. Otherwise somebody may be in between: do not connect.',
          },
        );
        return false;
      case 'unknown':
        return this.#ask(key, shown);
    }
  }

  async #ask(key: Buffer, shown: string): Promise<boolean> {
    const { hostKeyAlias: host, port } = this.#target;
    try {
      const confirmed = await this.#surroundings.prompter.confirmHostKey({
        host: port === 22 ? host : `${host}:${port}`,
        keyType: keyTypeOf(key),
        fingerprint: shown,
      });
      if (!confirmed) {
        this.problem = new TransportError(
          'hostKeyUnknown',
          `The key of ${host} was not accepted.`,
          {
            remedy: 'Compare its fingerprint on the device (ssh-keygen -lf) and connect again.',
          },
        );
        return false;
      }
      await rememberHost(this.#surroundings.ownKnownHosts, host, port, key);
      return true;
    } catch (error) {
      this.problem = unanswered('hostKeyUnknown', error);
      return false;
    }
  }
}

/** A question could not be put to the person: what to do instead is in the prompter's own error. */
function unanswered(reason: 'hostKeyUnknown' | 'auth', error: unknown): TransportError {
  const remedy = error instanceof FlickError ? error.remedy : undefined;
  return new TransportError(reason, messageOf(error), { remedy, cause: error });
}

/** ssh2 takes `false` for “there is nothing more to try”; its types do not say so. */
const noMore = false as unknown as AuthenticationType;

/** Offers the keys one after the other; a passphrase is asked for only when the server could take that key. */
function authentication(
  target: SshTarget,
  prompter: Prompter,
  verifier: HostKeyVerifier,
): NonNullable<ConnectConfig['authHandler']> {
  const methods = offers(target, prompter, verifier);
  return (_left, _partial, next) => {
    methods.next().then(
      ({ value, done }) => next(done === true ? noMore : (value ?? noMore)),
      (error: unknown) => {
        verifier.problem ??= unanswered('auth', error);
        next(noMore);
      },
    );
  };
}

async function* offers(
  target: SshTarget,
  prompter: Prompter,
  verifier: HostKeyVerifier,
): AsyncGenerator<AnyAuthMethod, void> {
  const username = target.user;
  if (target.agent !== undefined && !target.identitiesOnly) {
    yield { type: 'agent', username, agent: target.agent };
  }
  for (const file of target.identityFiles) {
    const content = await readFile(file).catch(() => undefined);
    if (content === undefined) continue;
    const key = await unlocked(content, file, prompter, verifier);
    if (key !== undefined) yield { type: 'publickey', username, ...key };
  }
  if (target.agent !== undefined && target.identitiesOnly) {
    yield { type: 'agent', username, agent: target.agent };
  }
}

async function unlocked(
  content: Buffer,
  file: string,
  prompter: Prompter,
  verifier: HostKeyVerifier,
): Promise<{ key: Buffer; passphrase?: string } | undefined> {
  if (!(utils.parseKey(content) instanceof Error)) return { key: content };
  if (!/encrypted|passphrase/i.test(messageOf(utils.parseKey(content)))) return undefined;
  for (let attempt = 1; attempt <= maxPassphraseAttempts; attempt += 1) {
    const passphrase = await prompter.passphrase(file, attempt);
    if (passphrase === undefined) return undefined;
    if (!(utils.parseKey(content, passphrase) instanceof Error))
      return { key: content, passphrase };
  }
  verifier.problem = new TransportError('auth', `The passphrase for ${file} was wrong.`, {
    remedy: 'Connect again and type it once more, or add the key to your SSH agent (ssh-add).',
  });
  return undefined;
}

function connectionProblem(target: SshTarget, error: unknown): TransportError {
  if (error instanceof TransportError) return error;
  const level = error instanceof Error && 'level' in error ? String(error.level) : '';
  const address = `${target.user}@${target.host}:${target.port}`;
  if (level === 'client-authentication') {
    return new TransportError('auth', `${address} did not accept any of your keys.`, {
      remedy: `Check that ssh ${address.replace(/:22$/, '')} works, or name the right key (--identity).`,
      cause: error,
    });
  }
  return new TransportError(
    'unreachable',
    `${target.host} could not be reached: ${messageOf(error)}.`,
    {
      remedy: 'Check that the device is on, and that its address and port are right.',
      cause: error,
    },
  );
}
