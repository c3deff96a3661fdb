import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
interface KnownHost {
  readonly marker: 'revoked' | 'cert-authority' | undefined;
  readonly patterns: string;
  readonly keyType: string;
  /** The key as it goes over the wire. */
  readonly key: Buffer;
  /** `file:line`, for messages. */
  readonly where: string;
}

export type HostKeyVerdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'changed';
      readonly expected: readonly { readonly fingerprint: string; readonly where: string }[];
    }
  | { readonly kind: 'revoked'; readonly where: string };

/** The keys of hosts that the user's and Flick's own known_hosts files list. */
export class KnownHosts {
  readonly #entries: readonly KnownHost[];

  private constructor(entries: readonly KnownHost[]) {
    this.#entries = entries;
  }

  /** Reads the files that exist. Lines that are not understood are passed over, as OpenSSH does. */
  static async read(files: readonly string[]): Promise<KnownHosts> {
    const entries: KnownHost[] = [];
    for (const file of files) {
      const content = await readFile(file, 'utf8').catch(() => '');
      content.split('\n').forEach((line, index) => {
        const entry = parseLine(line, `${file}:${index + 1}`);
        if (entry !== undefined) entries.push(entry);
      });
    }
    return new KnownHosts(entries);
  }

  /**
   * Compares a key that a server showed with what is known, as sshconnect.c of OpenSSH does.
   * @param names as {@link hostNames} gives them: the first decides; a further one can only vouch for the key or revoke it
   */
  check(names: readonly string[], key: Buffer): HostKeyVerdict {
    const [first = '', ...others] = names;
    const verdict = this.#checkName(first, key);
    if (verdict.kind !== 'unknown') return verdict;
    for (const name of others) {
      const other = this.#checkName(name, key);
      if (other.kind === 'known' || other.kind === 'revoked') return other;
    }
    return verdict;
  }

  /** Types of the keys that are known for a host, to be asked for first. */
  keyTypes(names: readonly string[]): readonly string[] {
    const types = names.flatMap((name) =>
      this.#matching(name)
        .filter((each) => each.marker === undefined)
        .map((each) => each.keyType),
    );
    return [...new Set(types)];
  }

  #checkName(name: string, key: Buffer): HostKeyVerdict {
    const matching = this.#matching(name);
    const revoked = matching.find((each) => each.marker === 'revoked' && each.key.equals(key));
    if (revoked !== undefined) return { kind: 'revoked', where: revoked.where };
    const plain = matching.filter((each) => each.marker === undefined);
    if (plain.some((each) => each.key.equals(key))) return { kind: 'known' };
    if (plain.length === 0) return { kind: 'unknown' };
    // A host that is known only by keys of other types has shown another face: OpenSSH refuses it as well.
    return {
      kind: 'changed',
      expected: plain.map((each) => ({ fingerprint: fingerprint(each.key), where: each.where })),
    };
  }

  #matching(name: string): KnownHost[] {
    return this.#entries.filter((each) => matches(each.patterns, name));
  }
}

/**
 * The names under which a host's key is looked up, the one under which it is remembered first. A host on another port
 * than 22 may be listed without its port, too; an alias stands for host and port (ssh_config(5), HostKeyAlias).
 */
export function hostNames(host: string, port: number, alias?: string): readonly string[] {
  if (alias !== undefined) return [alias.toLowerCase()];
  const lower = host.toLowerCase();
  return port === 22 ? [lower] : [`[${lower}]:${port}`, lower];
}

/** Adds a key to a known_hosts file, durably and readable by its owner only. */
export async function rememberHost(file: string, name: string, key: Buffer): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT;
  const handle = await open(file, flags, 0o600);
  try {
    const { size } = await handle.stat();
    const last = size === 0 ? undefined : await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    // Somebody may have edited the file and left its last line open.
    const separator = last !== undefined && last.buffer[0] !== 0x0a ? '\n' : '';
    const line = `${separator}${name} ${keyTypeOf(key)} ${key.toString('base64')}\n`;
    await handle.appendFile(line);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncFolder(folder);
}

/** A file that was just made is durable only when its folder is, too. Windows can open no folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  if (handle === undefined) return;
  await handle.sync().catch(() => undefined);
  await handle.close();
}

/** As `ssh-keygen -l` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The first string of a key on the wire is its type (RFC 4253, section 6.6). */
export function keyTypeOf(key: Buffer): string {
  if (key.length < 4) return 'unknown';
  const length = key.readUInt32BE(0);
  return length > 64 || length + 4 > key.length ? 'unknown' : key.toString('latin1', 4, 4 + length);
}

function parseLine(line: string, where: string): KnownHost | undefined {
  const words = line.trim().split(/\s+/);
  if (words[0] === undefined || words[0] === '' || words[0].startsWith('#')) return undefined;
  let marker: KnownHost['marker'];
  if (words[0].startsWith('@')) {
    const name = words.shift()?.slice(1);
    if (name !== 'revoked' && name !== 'cert-authority') return undefined;
    marker = name;
  }
  const [patterns, keyType, encoded] = words;
  if (patterns === undefined || keyType === undefined || encoded === undefined) return undefined;
  const key = Buffer.from(encoded, 'base64');
  if (keyTypeOf(key) !== keyType) return undefined;
  return { marker, patterns, keyType, key, where };
}

function matches(patterns: string, name: string): boolean {
  if (patterns.startsWith('|1|')) return matchesHash(patterns, name);
  let matched = false;
  for (const pattern of patterns.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!wildcard(negated ? pattern.slice(1) : pattern).test(name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/** `|1|salt|HMAC-SHA1(salt, name)`, both in base64. */
function matchesHash(pattern: string, name: string): boolean {
  const [, , salt, digest] = pattern.split('|');
  if (salt === undefined || digest === undefined) return false;
  const expected = Buffer.from(digest, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function wildcard(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}
