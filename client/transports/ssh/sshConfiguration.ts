import { spawn } from 'node:child_process';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { DeviceEntry } from '../../deviceEntry.ts';
import { TransportError } from '../transportError.ts';

/** How a host is reached, after the user's own SSH configuration has had its say. */
export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private keys in the order in which they are tried. */
  readonly identityFiles: readonly string[];
  /** Somebody named the keys, so that a missing one is worth a word. */
  readonly explicitIdentity: boolean;
  /** No key is tried that is not named by `identityFiles`; the SSH agent may hold the private half. */
  readonly identitiesOnly: boolean;
  /** Socket of the SSH agent. */
  readonly agent: string | undefined;
  readonly knownHostsFiles: readonly string[];
  /** Name under which the host's key is looked up in place of host and port. */
  readonly hostKeyAlias: string | undefined;
  /** What to do with a key that is not known (ssh_config(5), StrictHostKeyChecking). */
  readonly unknownHosts: 'ask' | 'refuse' | 'accept';
  /** Hosts to go through, first hop first: `[user@]host[:port]`. */
  readonly jumps: readonly string[];
}

type HostEntry = Pick<DeviceEntry, 'host' | 'port' | 'user' | 'identityFile'>;

const standardKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/**
 * Asks `ssh -G`, so that Host, Match, Include and ProxyJump mean what they mean to ssh itself. Without OpenSSH the
 * entry is taken as it stands, with OpenSSH's standard places.
 * @param configFile in place of the user's and the system's files
 * @throws {TransportError} `configuration`
 */
export async function resolveTarget(entry: HostEntry, configFile?: string): Promise<SshTarget> {
  const asked = await askSsh(entry, configFile);
  const first = (key: string): string | undefined => asked.get(key)?.[0];
  const host = first('hostname') ?? entry.host;
  const port = entry.port ?? Number(first('port') ?? 22);
  const user = entry.user ?? first('user') ?? userInfo().username;
  const proxyCommand = first('proxycommand');
  if (proxyCommand !== undefined && proxyCommand !== 'none') {
    throw new TransportError(
      'configuration',
      `Your SSH configuration reaches ${entry.host} by a ProxyCommand, which Flick does not run.`,
      { remedy: 'Use ProxyJump for that host, or a name that is reached directly.' },
    );
  }
  const expand = (path: string): string =>
    expandTokens(path, {
      '%': '%',
      d: homedir(),
      h: host,
      n: entry.host,
      p: String(port),
      r: user,
    });
  const files = (key: string, otherwise: readonly string[]): string[] =>
    (asked.get(key)?.flatMap((line) => line.split(/\s+/)) ?? otherwise)
      .filter((file) => file !== '' && file !== 'none')
      .map(expand);
  const identities = asked
    .get('identityfile')
    ?.filter((file) => file !== 'none')
    .map(expand);
  const agent = first('identityagent');
  const jump = first('proxyjump');
  return {
    host,
    port,
    user,
    identityFiles:
      entry.identityFile === undefined
        ? (identities ?? standardKeys.map((name) => join(homedir(), '.ssh', name)))
        : [expandHome(entry.identityFile)],
    explicitIdentity: entry.identityFile !== undefined,
    identitiesOnly: entry.identityFile !== undefined || first('identitiesonly') === 'yes',
    agent: agentSocket(agent, expand),
    knownHostsFiles: [
      ...files('userknownhostsfile', [join(homedir(), '.ssh/known_hosts')]),
      ...files('globalknownhostsfile', ['/etc/ssh/ssh_known_hosts']),
    ],
    hostKeyAlias: first('hostkeyalias'),
    unknownHosts: unknownHosts(first('stricthostkeychecking')),
    jumps: jump === undefined || jump === 'none' ? [] : jump.split(','),
  };
}

/** `ssh -G` prints `yes` and `no` as `true` and `false`. */
function unknownHosts(configured: string | undefined): SshTarget['unknownHosts'] {
  switch (configured) {
    case 'true':
    case 'yes':
      return 'refuse';
    case 'false':
    case 'no':
    case 'off':
    case 'accept-new':
      return 'accept';
    default:
      return 'ask';
  }
}

function agentSocket(
  configured: string | undefined,
  expand: (path: string) => string,
): string | undefined {
  if (configured === 'none') return undefined;
  if (configured === undefined || configured === 'SSH_AUTH_SOCK') {
    return process.env['SSH_AUTH_SOCK'] || undefined;
  }
  if (configured.startsWith('$')) return process.env[configured.replace(/^\$\{?|\}$/g, '')];
  return expand(configured);
}

/** Tokens and `${NAME}` as ssh_config(5), TOKENS and ENVIRONMENT VARIABLES; what is not known stays as it is. */
function expandTokens(path: string, tokens: Readonly<Record<string, string>>): string {
  return expandHome(path)
    .replace(/\$\{(\w+)\}/g, (all, name: string) => process.env[name] ?? all)
    .replace(/%(.)/g, (all, token: string) => tokens[token] ?? all);
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

async function askSsh(
  entry: HostEntry,
  configFile: string | undefined,
): Promise<ReadonlyMap<string, string[]>> {
  const args = [
    '-G',
    ...(configFile === undefined ? [] : ['-F', configFile]),
    ...(entry.port === undefined ? [] : ['-p', String(entry.port)]),
    ...(entry.user === undefined ? [] : ['-l', entry.user]),
    '--',
    entry.host,
  ];
  const text = await new Promise<string>((resolve, reject) => {
    const child = spawn('ssh', args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 10_000 });
    let output = '';
    let problem = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (problem += chunk));
    // No OpenSSH here.
    child.once('error', () => resolve(''));
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else {
        const why = problem.trim().split('\n')[0] || 'ssh -G did not end in time';
        reject(
          new TransportError(
            'configuration',
            `Your SSH configuration for ${entry.host} cannot be read: ${why}.`,
            { remedy: `Correct it; ssh -G ${entry.host} shows what is wrong.` },
          ),
        );
      }
    });
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
