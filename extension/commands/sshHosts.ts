import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { hostsOf, includesOf } from '../model/address.ts';

/** Includes may nest (ssh_config(5) sets no limit but OpenSSH's own of 16 levels). */
const maxDepth = 16;

/**
 * The hosts that the user's SSH configuration names, its included files too. Only to offer them: what a host means is
 * asked of `ssh -G` when connecting. A configuration that cannot be read offers nothing.
 */
export async function sshHosts(): Promise<string[]> {
  const hosts = new Set<string>();
  await collect(join(homedir(), '.ssh', 'config'), hosts, new Set(), 0);
  return [...hosts];
}

async function collect(
  file: string,
  hosts: Set<string>,
  seen: Set<string>,
  depth: number,
): Promise<void> {
  if (seen.has(file) || depth > maxDepth) return;
  seen.add(file);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return;
  }
  for (const host of hostsOf(text)) hosts.add(host);
  for (const include of includesOf(text)) {
    for (const path of await expand(include)) await collect(path, hosts, seen, depth + 1);
  }
}

/** Relative names are under `~/.ssh` (ssh_config(5)); a `*` is resolved in the last part only. */
async function expand(include: string): Promise<string[]> {
  const home = include.startsWith('~/') ? join(homedir(), include.slice(2)) : include;
  const path = isAbsolute(home) ? home : join(homedir(), '.ssh', home);
  if (!path.includes('*')) return [path];
  const at = path.lastIndexOf('/');
  const folder = path.slice(0, at);
  const parts = path
    .slice(at + 1)
    .split('*')
    .map((each) => each.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`^${parts.join('.*')}$`);
  try {
    return (await readdir(folder))
      .filter((each) => pattern.test(each))
      .map((each) => join(folder, each));
  } catch {
    return [];
  }
}
