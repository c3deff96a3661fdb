import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { announce, attempt, cache, fillFolder, leftOut, mustRun, ready } from './common.mjs';

/** Exact where a version was measured with this project, else the newest of its line. */
const versions = { 22: '22', 24: '24.21.0', 26: '26' };

/**
 * Where {@link ensureNode} puts the program of a major version.
 * @param {number} major
 */
export function nodePath(major) {
  return join(cache, 'node', String(major), 'bin', 'node');
}

/**
 * A Node.js of another version than the one that runs this, from its npm package.
 * @param {22 | 24 | 26} major
 * @param {string} [why]
 * @returns {Promise<import('./common.mjs').Provisioned>}
 */
export async function ensureNode(major, why = 'the agent is tested on every version it supports') {
  if (existsSync(nodePath(major))) return ready;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    return leftOut(`Node ${String(major)} left out: no package for ${process.platform}`);
  }
  announce(`Node ${String(major)} in .cache/node/${String(major)}`, why);
  return attempt(`Node ${String(major)}`, () =>
    fillFolder(join(cache, 'node', String(major)), async (folder) => {
      await unpackNpmPackage(`node-linux-${process.arch}@${versions[major]}`, folder, [
        'package/bin/node',
      ]);
      mkdirSync(join(folder, 'bin'));
      renameSync(join(folder, 'package', 'bin', 'node'), join(folder, 'bin', 'node'));
      chmodSync(join(folder, 'bin', 'node'), 0o755);
      chmodSync(folder, 0o755);
      rmSync(join(folder, 'package'), { recursive: true });
    }),
  );
}

/**
 * Unpacks parts of a package of the npm registry into a folder.
 * @param {string} spec name and version
 * @param {string} folder
 * @param {readonly string[]} tarArguments members and options for tar
 */
export async function unpackNpmPackage(spec, folder, tarArguments) {
  await mustRun(['npm', 'pack', spec, '--silent', '--pack-destination', folder], { cwd: folder });
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (archive === undefined) throw new Error(`npm packed nothing for ${spec}`);
  await mustRun(['tar', '-C', folder, '-xzf', join(folder, archive), ...tarArguments]);
  rmSync(join(folder, archive));
}
