import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cache, isThere, mustRun } from './common.mjs';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Unpacks a package of any Debian suite, and all that it depends on, into a folder. The suite is
 * listed in an apt configuration of our own with a state folder of its own and no installed
 * packages, so that apt resolves everything down to libc and the system's sources, lists and
 * packages stay as they are. Needs no root.
 * @param {{ suite: string, packageName: string, unused?: RegExp }} what `unused` matches
 *   the file names of dependencies that are not needed in the folder
 * @param {string} folder an existing folder
 * @throws {Error} where there is no apt, no mirror or no such suite
 */
export async function unpackFromSuite({ suite, packageName, unused }, folder) {
  if (!isThere('apt-get') || !isThere('dpkg')) throw new Error('this machine has no apt');
  mkdirSync(cache, { recursive: true });
  const state = mkdtempSync(join(cache, `apt-${suite}-`));
  const archives = join(state, 'cache', 'archives');
  try {
    const configuration = writeConfiguration(suite, state);
    const env = { APT_CONFIG: configuration, DEBIAN_FRONTEND: 'noninteractive' };
    await mustRun(['apt-get', '-q', 'update'], { env });
    const options = ['-q', '-y', '--no-install-recommends', '--download-only'];
    await mustRun(['apt-get', ...options, 'install', packageName], { env });
    for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
      if (unused?.test(file) === true) continue;
      await mustRun(['dpkg', '-x', join(archives, file), folder]);
    }
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

/**
 * @param {string} suite
 * @param {string} state
 * @returns {string} the path of the configuration file
 */
function writeConfiguration(suite, state) {
  mkdirSync(join(state, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(state, 'cache', 'archives', 'partial'), { recursive: true });
  const source = `deb [signed-by=${keyring}] ${mirrorOfThisMachine()} ${suite} main\n`;
  writeFileSync(join(state, 'sources.list'), source);
  writeFileSync(join(state, 'status'), '');
  const configuration = join(state, 'apt.conf');
  const settings = {
    'Dir::State': state,
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': join(state, 'cache'),
    'Dir::Etc::SourceList': join(state, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'Acquire::Languages': 'none',
    // The unprivileged download user cannot write into a clone under somebody's home.
    'APT::Sandbox::User': '',
  };
  writeFileSync(
    configuration,
    Object.entries(settings)
      .map(([key, value]) => `${key} ${JSON.stringify(value)};\n`)
      .join(''),
  );
  return configuration;
}

/**
 * The address of the Debian mirror that this machine uses (security and update archives aside).
 * @throws {Error} where the machine's sources name none
 */
export function mirrorOfThisMachine() {
  const parts = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list'];
  if (existsSync(parts)) files.push(...readdirSync(parts).map((name) => join(parts, name)));
  for (const file of files.filter((name) => /\.(list|sources)$/.test(name) && existsSync(name))) {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      // One-line style `deb [options] URI suite …` and deb822 style `URIs: URI`, sources.list(5).
      const uri = /^\s*(?:deb\s+(?:\[[^\]]*\]\s*)?|URIs:\s*)(\S+\/debian)\/?(?:\s|$)/.exec(line);
      if (uri?.[1] !== undefined) return uri[1];
    }
  }
  throw new Error("the machine's package sources name no Debian mirror");
}
