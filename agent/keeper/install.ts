import { createHash } from 'node:crypto';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { FlickError } from '../../protocol/index.ts';
import { isErrno, writeFailure } from '../state/durable.ts';
import type { AgentHome } from '../state/home.ts';
import { keeperBinaries } from './binaries.ts';

/**
 * Unpacks the keeper for this architecture once; its name holds its hash, so cells of an older agent keep theirs.
 * @returns the path of the executable
 * @throws {FlickError} `notSupported` on an architecture that the agent carries no keeper for
 */
export async function installKeeper(home: Pick<AgentHome, 'bin'>): Promise<string> {
  const architecture = process.arch;
  const packed =
    process.platform === 'linux' && (architecture === 'x64' || architecture === 'arm64')
      ? keeperBinaries[architecture]
      : undefined;
  if (packed === undefined) {
    throw new FlickError(
      'notSupported',
      `Flick has no keeper for ${process.platform} on ${architecture}, so it cannot run processes here.`,
      { remedy: 'Devices need Linux on x64 or arm64.' },
    );
  }
  const binary = gunzipSync(Buffer.from(packed, 'base64'));
  const digest = createHash('sha256').update(binary).digest('hex');
  const path = join(home.bin, `flick-keeper-${digest.slice(0, 16)}`);
  const present = await readFile(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (present?.equals(binary) === true) return path;
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, binary, { mode: 0o700 });
    await chmod(temporary, 0o700);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeFailure(path, error);
  }
  return path;
}
