import { release } from 'node:os';
import { run } from './run.ts';

export interface CriuPackage {
  readonly version: string;
  /** Commands that must run before the installation, such as fetching the package lists. */
  readonly before: readonly (readonly [string, ...string[]])[];
  readonly install: readonly [string, ...string[]];
  readonly remove: readonly [string, ...string[]];
}

interface Manager {
  readonly candidate: readonly [string, ...string[]];
  readonly pattern: RegExp;
  readonly before: CriuPackage['before'];
  readonly install: CriuPackage['install'];
  readonly remove: CriuPackage['remove'];
}

const managers: readonly Manager[] = [
  {
    candidate: ['apt-cache', 'policy', 'criu'],
    pattern: /Candidate: (?:\d+:)?(\d+(?:\.\d+)+)/,
    before: [['apt-get', 'update']],
    install: ['apt-get', 'install', '-y', '--no-install-recommends', 'criu'],
    remove: ['apt-get', 'remove', '-y', 'criu'],
  },
  {
    candidate: ['dnf', '-q', 'info', 'criu'],
    pattern: /Version\s*: (\d+(?:\.\d+)+)/,
    before: [],
    install: ['dnf', 'install', '-y', 'criu'],
    remove: ['dnf', 'remove', '-y', 'criu'],
  },
  {
    candidate: ['pacman', '-Si', 'criu'],
    pattern: /Version\s*: (\d+(?:\.\d+)+)/,
    before: [],
    install: ['pacman', '-S', '--noconfirm', 'criu'],
    remove: ['pacman', '-R', '--noconfirm', 'criu'],
  },
  {
    candidate: ['apk', 'policy', 'criu'],
    pattern: /(\d+(?:\.\d+)+)-r\d+/,
    before: [],
    install: ['apk', 'add', 'criu'],
    remove: ['apk', 'del', 'criu'],
  },
];

/** The CRIU of the device's own package manager, when it is new enough for the running kernel. */
export async function criuPackage(): Promise<CriuPackage | undefined> {
  for (const manager of managers) {
    const { code, stdout } = await run(manager.candidate, { timeoutMs: 30_000 });
    if (code !== 0) continue;
    const version = manager.pattern.exec(stdout)?.[1];
    if (version === undefined || !newEnough(version, release())) return undefined;
    return { version, before: manager.before, install: manager.install, remove: manager.remove };
  }
  return undefined;
}

/**
 * Kernels changed under CRIU twice in ways that older versions do not survive: 6.13 moved the vDSO (CRIU 4.1 knows),
 * 6.16 changed what TCP_REPAIR reports (CRIU 4.2 knows).
 */
export function oldestCriuFor(kernel: string): string {
  if (atLeast(kernel, '6.16')) return '4.2';
  if (atLeast(kernel, '6.13')) return '4.1';
  return '3.17';
}

function newEnough(criu: string, kernel: string): boolean {
  return atLeast(criu, oldestCriuFor(kernel));
}

function atLeast(version: string, minimum: string): boolean {
  const left = (/\d+(?:\.\d+)*/.exec(version)?.[0] ?? '0').split('.').map(Number);
  const right = minimum.split('.').map(Number);
  for (let index = 0; index < right.length; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
