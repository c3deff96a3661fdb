import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/**
 * The keeper per processor architecture: a static executable, compressed with gzip, in base64. In the bundled agent
 * scripts/build.mjs puts the keepers themselves in the place of this module; what stands here serves an agent that runs
 * from its sources, and finds them in dist/keeper.
 */
export const keeperBinaries: Readonly<Record<'x64' | 'arm64', string | undefined>> = {
  get x64() {
    return readKeeper('x64');
  },
  get arm64() {
    return readKeeper('arm64');
  },
};

function readKeeper(architecture: 'x64' | 'arm64'): string | undefined {
  const file = join(import.meta.dirname, '../../dist/keeper', `linux-${architecture}`);
  return existsSync(file)
    ? gzipSync(readFileSync(file), { level: 1 }).toString('base64')
    : undefined;
}
