import type { RunnerName, SizeMb } from '../plan.ts';

/** What a process to be measured is started with; see workload.cjs. */
export interface WorkloadOptions {
  readonly sizeMb: SizeMb;
  readonly percentPerSecond: number;
}

/** One hop as the runner saw it. Moments in ms since the epoch. */
export interface Hop {
  readonly startedAt: number;
  /** When the last page was in. */
  readonly endedAt: number;
  /** See `Figures.toolMs`. */
  readonly toolMs?: number;
  /** Durations in ms, in the order in which they came. */
  readonly parts: Readonly<Record<string, number>>;
}

/** A running workload that one runner can move between the two devices. */
export interface Subject {
  /** Where it runs. */
  readonly device: 'alpha' | 'beta';
  /** Asks it over its port, without touching the link. @returns the line that it answers */
  readonly ask: (command: string) => Promise<string>;
  /** Moves it to the other device; nobody waits any longer than the limit. @throws {Error} where it fails */
  readonly move: (limitMs: number) => Promise<Hop>;
  /** Ends it, wherever it is and a move of it, and removes what it left on disk. */
  readonly end: () => Promise<void>;
}

/** One way to move a process. */
export interface Runner {
  readonly name: RunnerName;
  readonly launch: (options: WorkloadOptions) => Promise<Subject>;
  /** Ends what it keeps running between processes. */
  readonly close: () => Promise<void>;
}

/** A shell's way to send a line to a port and read the answer; put the command behind it. */
export function askingScript(port: number): string[] {
  const script = 'exec 3<>"/dev/tcp/127.0.0.1/$1" && echo "$2" >&3 && exec cat <&3';
  return ['bash', '-c', script, 'ask', String(port)];
}
