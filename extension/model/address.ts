import { localName } from '../../client/deviceEntry.ts';

/** A name for the device that nobody has taken: the host's first label, with a number where needed. */
export function suggestName(host: string, taken: readonly string[]): string {
  const isNumeric = /^[\d.]+$/.test(host) || host.includes(':');
  const base = isNumeric ? host : (host.split('.')[0] ?? host);
  const isTaken = (name: string): boolean => name === localName || taken.includes(name);
  let name = base;
  for (let i = 2; isTaken(name); i += 1) name = `${base}-${String(i)}`;
  return name;
}

/** Host names of an SSH configuration that stand for one machine: patterns and negations are left out. */
export function hostsOf(configuration: string): string[] {
  const hosts = new Set<string>();
  for (const line of configuration.split(/\r?\n/)) {
    const match = /^\s*Host(?:\s+|\s*=\s*)(.+)$/i.exec(line);
    for (const word of (match?.[1] ?? '').replace(/#.*$/, '').trim().split(/\s+/)) {
      const name = word.replace(/^"(.*)"$/, '$1');
      if (name !== '' && !/[*?!]/.test(name)) hosts.add(name);
    }
  }
  return [...hosts];
}

/** The files that an SSH configuration includes, as written (globs and `~` not yet resolved). */
export function includesOf(configuration: string): string[] {
  return configuration
    .split(/\r?\n/)
    .flatMap((line) => (/^\s*Include(?:\s+|\s*=\s*)(.+)$/i.exec(line)?.[1] ?? '').split(/\s+/))
    .map((each) => each.replace(/^"(.*)"$/, '$1'))
    .filter((each) => each !== '');
}
