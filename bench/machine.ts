import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, freemem, loadavg, release, totalmem } from 'node:os';
import { provisioned, root } from '../test/support/provisioned.ts';

/** What the figures were measured on. */
export interface Machine {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly criu: string;
  readonly commit: string;
  /** Load averages when the run began: figures of a busy machine are worth less. */
  readonly load: readonly number[];
}

export function describeMachine(): Machine {
  const say = (command: string, args: readonly string[], pattern: RegExp): string => {
    try {
      const text = execFileSync(command, args, { cwd: root, encoding: 'utf8' });
      return pattern.exec(text)?.[1] ?? 'unknown';
    } catch {
      return 'none';
    }
  };
  return {
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release().split('-')[0] ?? '',
    node: process.version,
    criu: say(provisioned.criu, ['--version'], /Version: (\S+)/),
    commit: say('git', ['rev-parse', '--short', 'HEAD'], /(\w+)/),
    load: loadavg(),
  };
}

/**
 * Whether a process of this size can be measured here: it is there twice for a while, and its
 * images and an archive of them lie on both devices.
 * @returns what is missing, in one sentence
 */
export function lackingFor(sizeMb: number, folder: string): string | undefined {
  const megabyte = 2 ** 20;
  const memory = availableMemory();
  const { bavail, bsize } = statfsSync(folder);
  const wanted = (copies: number): number => (copies * sizeMb + 1024) * megabyte;
  const short = (what: string, needed: number, there: number): string | undefined =>
    there >= needed
      ? undefined
      : `it takes ${String(Math.round(needed / megabyte))} MB of ${what}, and ${String(Math.round(there / megabyte))} MB are free`;
  return short('memory', wanted(2), memory) ?? short('disk', wanted(4), bavail * bsize);
}

function availableMemory(): number {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'));
  return match?.[1] === undefined ? freemem() : Number(match[1]) * 1024;
}
