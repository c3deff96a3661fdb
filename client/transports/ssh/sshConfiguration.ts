import { spawn } from 'node:child_process';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { DeviceEntry } from '../../deviceEntry.ts';

/** How a host is reached, after the user's own SSH configuration has had its say. */
export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private keys in the order in which they are tried. */
  readonly identityFiles: readonly string[];
  /** The entry named the key: no other, and no agent, is tried. */
  readonly identitiesOnly: boolean;
  /** Socket of the SSH agent. */
  readonly agent: string | undefined;
  readonly knownHostsFiles: readonly string[];
  /** Name under which the host's key is looked up. */
  readonly hostKeyAlias: string;
  /** Hosts to go through, first hop first: `[user@]host[:port]`. */
  readonly jumps: readonly string[];
}

const standardKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/**
 * Asks `ssh -G`, so that Host, Match, Include and ProxyJump mean what they mean to ssh itself. Without OpenSSH the
 * entry is taken as it stands, with OpenSSH's standard places.
 */
export async function resolveTarget(
  entry: Pick<DeviceEntry, 'host' | 'port' | 'user' | 'identityFile'>,
): Promise<SshTarget> {
  const asked = await askSsh(entry);
  const first = (key: string): string | undefined => asked.get(key)?.[0];
  const known = [
    ...(asked.get('userknownhostsfile') ?? [join(homedir(), '.ssh/known_hosts')]),
    ...(asked.get('globalknownhostsfile') ?? ['/etc/ssh/ssh_known_hosts']),
  ].flatMap((line) => line.split(/\s+/));
  const host = first('hostname') ?? entry.host;
  const jump = first('proxyjump');
  const agent = first('identityagent');
  const identities =
    entry.identityFile === undefined
      ? (asked.get('identityfile') ?? standardKeys.map((name) => join(homedir(), '.ssh', name)))
      : [entry.identityFile];
  return {
    host,
    port: entry.port ?? Number(first('port') ?? 22),
    user: entry.user ?? first('user') ?? userInfo().username,
    identityFiles: identities.map(expandHome),
    identitiesOnly: entry.identityFile !== undefined || first('identitiesonly') === 'yes',
    agent: agentSocket(agent),
    knownHostsFiles: known.filter((file) => file !== '' && file !== 'none').map(expandHome),
    hostKeyAlias: first('hostkeyalias') ?? host,
    jumps: jump === undefined || jump === 'none' ? [] : jump.split(','),
  };
}

function agentSocket(configured: string | undefined): string | undefined {
  if (configured === 'none') return undefined;
  if (configured === undefined || configured === 'SSH_AUTH_SOCK') {
    return process.env['SSH_AUTH_SOCK'];
  }
  if (configured.startsWith('$')) return process.env[configured.slice(1)];
  return expandHome(configured);
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

async function askSsh(
  entry: Pick<DeviceEntry, 'host' | 'port' | 'user'>,
): Promise<ReadonlyMap<string, string[]>> {
  const args = [
    '-G',
    ...(entry.port === undefined ? [] : ['-p', String(entry.port)]),
    ...(entry.user === undefined ? [] : ['-l', entry.user]),
    '--',
    entry.host,
  ];
  const text = await new Promise<string>((resolve) => {
    const child = spawn('ssh', args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: 10_000 });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.once('error', () => resolve(''));
    child.once('close', (code) => resolve(code === 0 ? output : ''));
  });
  const values = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space < 0) continue;
    const key = line.slice(0, space).toLowerCase();
    values.set(key, [...(values.get(key) ?? []), line.slice(space + 1).trim()]);
  }
  return values;
}
