import { availableParallelism } from 'node:os';
import { navigatorPath, standFor } from '../capsule/standIns.ts';

/**
 * Stands for a function that an older Node.js does not have. Programs keep many that they never call; one that is called
 * says what is missing.
 */
function missingFunction(name: string): object {
  return function (): never {
    throw new TypeError(`This Node.js (${process.version}) has no ${name}.`);
  };
}

/** What Node.js has from 21 on, after the documentation of its globals. */
class Navigator {
  get hardwareConcurrency(): number {
    return availableParallelism();
  }

  get language(): string {
    return Intl.DateTimeFormat().resolvedOptions().locale;
  }

  get languages(): readonly string[] {
    return Object.freeze([this.language]);
  }

  get userAgent(): string {
    return `Node.js/${process.versions.node.split('.')[0] ?? ''}`;
  }

  get platform(): string {
    const { platform, arch } = process;
    if (platform === 'darwin') return 'MacIntel';
    if (platform === 'win32') return 'Win32';
    const machine = arch === 'x64' ? 'x86_64' : arch === 'ia32' ? 'i686' : arch;
    return `${platform[0]?.toUpperCase() ?? ''}${platform.slice(1)} ${machine}`;
  }
}

/** Objects that an older Node.js does not have and that can be made of what it has, by their paths. */
const madeHere: Readonly<Record<string, () => object>> = {
  [navigatorPath]: () => new Navigator(),
};

/** What stands for something that this Node.js does not have; undefined where nothing can. */
export function standInFor(paths: readonly string[], isCallable: boolean): object | undefined {
  const [path = ''] = paths;
  const made = isCallable ? missingFunction(path.replace(/\n/g, '')) : madeHere[path]?.();
  return made && standFor(made, paths);
}
