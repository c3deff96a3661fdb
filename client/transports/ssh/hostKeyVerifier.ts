import type { ServerHostKeyAlgorithm } from 'ssh2';
import { messageOf } from '../../../common/rpc.ts';
import { Turns } from '../../../common/turns.ts';
import { FlickError } from '../../../protocol/index.ts';
import type { Prompter } from '../../prompter.ts';
import { TransportError } from '../transportError.ts';
import {
  fingerprint,
  hostNames,
  keyTypeOf,
  KnownHosts,
  rememberHost,
  type HostKeyVerdict,
} from './knownHosts.ts';
import type { SshTarget } from './sshConfiguration.ts';
import type { Pausing } from './stopwatch.ts';

const algorithms: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** By the file in which answers are remembered: devices behind one jump host must not each ask for its key. */
const asking = new Turns();

/** Decides whether the key that a server shows is the right one. */
export class HostKeyVerifier {
  readonly #target: SshTarget;
  readonly #names: readonly string[];
  readonly #files: readonly string[];
  readonly #ownFile: string;
  readonly #known: KnownHosts;
  readonly #prompter: Prompter;
  readonly #pausing: Pausing;
  /** Why the key was not accepted. */
  problem: TransportError | undefined;

  private constructor(
    target: SshTarget,
    ownFile: string,
    files: readonly string[],
    known: KnownHosts,
    prompter: Prompter,
    pausing: Pausing,
  ) {
    this.#pausing = pausing;
    this.#target = target;
    this.#names = hostNames(target.host, target.port, target.hostKeyAlias);
    this.#ownFile = ownFile;
    this.#files = files;
    this.#known = known;
    this.#prompter = prompter;
  }

  /**
   * @param ownFile where keys are remembered that the person has confirmed; read after the user's own files
   * @param pausing wraps the time for which a person is waited for
   */
  static async create(
    target: SshTarget,
    ownFile: string,
    prompter: Prompter,
    pausing: Pausing = async (work) => work(),
  ): Promise<HostKeyVerifier> {
    const files = [...target.knownHostsFiles, ownFile];
    const known = await KnownHosts.read(files);
    return new HostKeyVerifier(target, ownFile, files, known, prompter, pausing);
  }

  /** What to offer the server, so that it shows a key of a type that is known if it has one. */
  get algorithms(): ServerHostKeyAlgorithm[] {
    const known: readonly string[] = this.#known
      .keyTypes(this.#names)
      .flatMap((type) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type]));
    return [
      ...algorithms.filter((name) => known.includes(name)),
      ...algorithms.filter((name) => !known.includes(name)),
    ];
  }

  /** Never throws; where the answer is no, {@link problem} says why. */
  async verify(key: Buffer): Promise<boolean> {
    const verdict = this.#known.check(this.#names, key);
    if (verdict.kind !== 'unknown') return this.#judge(verdict, key);
    try {
      return await this.#inTurn(async () => {
        const known = await KnownHosts.read(this.#files);
        const later = known.check(this.#names, key);
        return later.kind === 'unknown' ? this.#ask(key) : this.#judge(later, key);
      });
    } catch (error) {
      const remedy = error instanceof FlickError ? error.remedy : undefined;
      this.problem = new TransportError('hostKeyUnknown', messageOf(error), {
        remedy,
        cause: error,
      });
      return false;
    }
  }

  #judge(verdict: HostKeyVerdict, key: Buffer): boolean {
    const { host } = this.#target;
    const shown = fingerprint(key);
    switch (verdict.kind) {
      case 'known':
        return true;
      case 'unknown':
        return false;
      case 'revoked':
        this.problem = new TransportError(
          'hostKeyRevoked',
          `The key that ${host} showed (${shown}) is marked as revoked in ${verdict.where}.`,
          { remedy: 'Do not connect until you know why, and what the device’s right key is.' },
        );
        return false;
      case 'changed': {
        const expected = verdict.expected
          .map((each) => `${each.fingerprint} (${each.where})`)
          .join(' or ');
        this.problem = new TransportError(
          'hostKeyChanged',
          `The key of ${host} has changed: it showed ${shown}, expected was ${expected}.`,
          {
            remedy:
              'If the device was set up anew, remove the old line and connect again. Otherwise somebody may be in between: do not connect.',
          },
        );
        return false;
      }
    }
  }

  async #ask(key: Buffer): Promise<boolean> {
    const { host, port, unknownHosts } = this.#target;
    const shown = fingerprint(key);
    if (unknownHosts === 'refuse') {
      this.problem = new TransportError(
        'hostKeyUnknown',
        `The key of ${host} (${shown}) is not known, and your SSH configuration refuses unknown keys.`,
        { remedy: 'Add it to your known_hosts, or set StrictHostKeyChecking ask for that host.' },
      );
      return false;
    }
    const accepted =
      unknownHosts === 'accept' ||
      (await this.#prompter.confirmHostKey({
        host: port === 22 ? host : `${host}:${port}`,
        keyType: keyTypeOf(key),
        fingerprint: shown,
      }));
    if (!accepted) {
      this.problem = new TransportError('hostKeyUnknown', `The key of ${host} was not accepted.`, {
        remedy: 'Compare its fingerprint on the device (ssh-keygen -lf) and connect again.',
      });
      return false;
    }
    await rememberHost(this.#ownFile, this.#names[0] ?? host, key);
    return true;
  }

  async #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    return this.#pausing(() => asking.take(this.#ownFile, ask));
  }
}
