import { readFile } from 'node:fs/promises';
import ssh2, { BaseAgent, createAgent, type ParsedKey } from 'ssh2';
import { messageOf } from '../../../common/rpc.ts';
import { FlickError } from '../../../protocol/index.ts';
import type { Prompter } from '../../prompter.ts';
import { TransportError } from '../transportError.ts';
import { publicKeyOf } from './openSshKey.ts';
import type { SshTarget } from './sshConfiguration.ts';
import type { Pausing } from './stopwatch.ts';

// ssh2 is CommonJS: unbundled, Node finds some of its names only on the default export.
const { utils } = ssh2;

const maxPassphraseAttempts = 3;
/** An SSH agent that does not answer is passed over, in ms. */
const agentTimeout = 5_000;

type SignCallback = (error?: Error | null, signature?: Buffer) => void;
type HashOptions = { hash?: 'sha1' | 'sha256' | 'sha512' };

/** A key that can be offered; its private half is with the SSH agent, in a file, or both. */
interface Identity {
  readonly publicKey: ParsedKey;
  file: string | undefined;
  /** Content of a private key file, perhaps encrypted. */
  content: Buffer | undefined;
  readonly inAgent: boolean;
}

/** Keys that one person has unlocked, so that a connection that comes back asks nothing. */
const unlockedBy = new WeakMap<Prompter, Map<string, Promise<ParsedKey>>>();

/**
 * All keys that may be offered to a server, in OpenSSH's order (ssh_config(5), IdentitiesOnly): those of the SSH agent
 * that the configuration names, the agent's others, files. Presented to ssh2 as an agent, because it asks an agent to
 * sign only when the server would take the key: that is the moment for a passphrase.
 */
export class KeyRing extends BaseAgent<ParsedKey> {
  readonly #identities: readonly Identity[];
  readonly #agent: BaseAgent | undefined;
  readonly #lock: Lock;
  /** What kept keys from being used, for the message when none was accepted. */
  readonly remarks: string[];
  /** Why the connection cannot succeed without the person; undefined while it may. */
  problem: TransportError | undefined;

  private constructor(
    identities: readonly Identity[],
    agent: BaseAgent | undefined,
    lock: Lock,
    remarks: string[],
  ) {
    super();
    this.#identities = identities;
    this.#agent = agent;
    this.#lock = lock;
    this.remarks = remarks;
  }

  /** @param pausing wraps the time for which a person is waited for */
  static async gather(
    target: SshTarget,
    prompter: Prompter,
    pausing: Pausing = async (work) => work(),
  ): Promise<KeyRing> {
    const lock = new Lock(prompter, pausing);
    const remarks: string[] = [];
    const files: Identity[] = [];
    for (const file of target.identityFiles) {
      const found = await readIdentity(file, target.explicitIdentity, lock, remarks);
      if (found !== undefined) files.push(found);
    }
    const agent = target.agent === undefined ? undefined : createAgent(target.agent);
    const held = agent === undefined ? [] : await agentKeys(agent, remarks);
    const isHeld = (key: ParsedKey): boolean => held.some((each) => sameKey(each, key));
    const named = files
      .filter((each) => isHeld(each.publicKey))
      .map((each) => ({ ...each, inAgent: true }));
    const others = target.identitiesOnly
      ? []
      : held
          .filter((key) => !files.some((each) => sameKey(each.publicKey, key)))
          .map((publicKey) => ({ publicKey, file: undefined, content: undefined, inAgent: true }));
    const rest = files.filter((each) => each.content !== undefined && !isHeld(each.publicKey));
    return new KeyRing([...named, ...others, ...rest], agent, lock, remarks);
  }

  get size(): number {
    return this.#identities.length;
  }

  override getIdentities(callback: (error?: Error | null, keys?: ParsedKey[]) => void): void {
    callback(
      null,
      this.#identities.map((each) => each.publicKey),
    );
  }

  override sign(
    publicKey: ParsedKey,
    data: Buffer,
    options: HashOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    const done = typeof options === 'function' ? options : (callback ?? (() => undefined));
    const hash = typeof options === 'function' ? {} : options;
    this.#sign(publicKey, data, hash).then(
      (signature) => done(null, signature),
      (error: unknown) => {
        if (error instanceof TransportError) this.problem ??= error;
        else this.remarks.push(messageOf(error));
        done(error instanceof Error ? error : new Error(messageOf(error)));
      },
    );
  }

  async #sign(publicKey: ParsedKey, data: Buffer, options: HashOptions): Promise<Buffer> {
    const identity = this.#identities.find((each) => sameKey(each.publicKey, publicKey));
    if (identity === undefined) throw new Error('The key was never offered.');
    const agent = this.#agent;
    if (identity.inAgent && agent !== undefined) {
      try {
        return await new Promise<Buffer>((resolve, reject) =>
          agent.sign(publicKey, data, options, (error, signature) => {
            if (signature !== undefined) resolve(signature);
            else reject(error ?? new Error('The SSH agent signed nothing.'));
          }),
        );
      } catch (error) {
        // The person may have said no to the agent (ssh-add -c), or it is locked: the file is as good.
        if (identity.content === undefined) throw error;
      }
    }
    const { file, content } = identity;
    if (file === undefined || content === undefined) throw new Error('The key has no file.');
    const key = await this.#lock.open(file, content);
    return key.sign(data, options.hash);
  }
}

async function readIdentity(
  file: string,
  isExplicit: boolean,
  lock: Lock,
  remarks: string[],
): Promise<Identity | undefined> {
  let content: Buffer | undefined;
  try {
    content = await readFile(file);
  } catch (error) {
    // Standard places are mostly empty; a key that somebody named should be there.
    if (isExplicit) remarks.push(`The key ${file} cannot be read: ${messageOf(error)}.`);
  }
  const parsed = content === undefined ? undefined : parse(content);
  if (parsed !== undefined) {
    const isPrivate = parsed.isPrivateKey();
    return { publicKey: parsed, file, content: isPrivate ? content : undefined, inAgent: false };
  }
  const beside = parse(await readFile(`${file}.pub`).catch(() => Buffer.alloc(0)));
  if (content === undefined) {
    return beside && { publicKey: beside, file, content, inAgent: false };
  }
  if (!isEncrypted(content)) {
    if (isExplicit) remarks.push(`${file} is no private key that Flick understands.`);
    return undefined;
  }
  const inside = publicKeyOf(content);
  const publicKey = (inside === undefined ? undefined : parse(inside)) ?? beside;
  if (publicKey !== undefined) return { publicKey, file, content, inAgent: false };
  // An old PEM file hides its public half as well: it cannot be offered before it is unlocked.
  try {
    return { publicKey: await lock.open(file, content), file, content, inAgent: false };
  } catch (error) {
    remarks.push(messageOf(error));
    return undefined;
  }
}

async function agentKeys(agent: BaseAgent, remarks: string[]): Promise<ParsedKey[]> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      remarks.push('Your SSH agent does not answer.');
      resolve([]);
    }, agentTimeout);
    agent.getIdentities((error, keys) => {
      clearTimeout(timer);
      if (error) remarks.push(`Your SSH agent cannot be used: ${messageOf(error)}.`);
      resolve((keys ?? []).flatMap((key) => parsedOf(key) ?? []));
    });
  });
}

function parsedOf(key: unknown): ParsedKey | undefined {
  if (typeof key !== 'object' || key === null) return undefined;
  if ('getPublicSSH' in key) return key as ParsedKey;
  return 'pubKey' in key ? parsedOf(key.pubKey) : undefined;
}

/** Opens protected keys. A passphrase is asked for once for a file, however many connections want it. */
class Lock {
  readonly #opened: Map<string, Promise<ParsedKey>>;
  readonly #prompter: Prompter;
  readonly #pausing: Pausing;

  constructor(prompter: Prompter, pausing: Pausing) {
    this.#opened = unlockedBy.get(prompter) ?? new Map<string, Promise<ParsedKey>>();
    unlockedBy.set(prompter, this.#opened);
    this.#prompter = prompter;
    this.#pausing = pausing;
  }

  /** @throws {TransportError} `auth` */
  async open(file: string, content: Buffer): Promise<ParsedKey> {
    const plain = parse(content);
    if (plain !== undefined) return plain;
    // By content: a file that was replaced is another key.
    const id = `${file}\0${content.toString('base64')}`;
    const known = this.#opened.get(id);
    if (known !== undefined) return this.#pausing(() => known);
    const asked = ask(file, content, this.#prompter);
    this.#opened.set(id, asked);
    asked.catch(() => this.#opened.delete(id));
    return this.#pausing(() => asked);
  }
}

async function ask(file: string, content: Buffer, prompter: Prompter): Promise<ParsedKey> {
  for (let attempt = 1; attempt <= maxPassphraseAttempts; attempt += 1) {
    const passphrase = await prompter.passphrase(file, attempt).catch((error: unknown) => {
      throw new TransportError('auth', messageOf(error), {
        remedy: error instanceof FlickError ? error.remedy : undefined,
        cause: error,
      });
    });
    if (passphrase === undefined) {
      throw new TransportError('auth', `The passphrase for ${file} was not given.`, {
        remedy: 'Connect again and type it, or add the key to your SSH agent (ssh-add).',
      });
    }
    const key = parse(content, passphrase);
    if (key !== undefined) return key;
  }
  throw new TransportError('auth', `The passphrase for ${file} was wrong.`, {
    remedy: 'Connect again and type it once more, or add the key to your SSH agent (ssh-add).',
  });
}

function parse(content: Buffer | string, passphrase?: string): ParsedKey | undefined {
  const parsed: unknown = utils.parseKey(content, passphrase);
  // Files with several keys are parsed to a list, which the types do not tell.
  const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  return first instanceof Error ? undefined : (first as ParsedKey | undefined);
}

/** ssh2 says only in words why it cannot read a key. */
function isEncrypted(content: Buffer): boolean {
  const parsed = utils.parseKey(content);
  return parsed instanceof Error && /encrypted|passphrase/i.test(parsed.message);
}

function sameKey(one: ParsedKey, other: ParsedKey): boolean {
  return one.getPublicSSH().equals(other.getPublicSSH());
}
