import { join } from 'node:path';
import { commonSuffix, cutSegments, within } from './paths.ts';

interface Pair {
  readonly remote: string;
  readonly local: string;
}

/** Folders of the device and the folders here that have the same files, learned from files that were found equal. */
export class FolderPairs {
  readonly #pairs: Pair[] = [];
  /** Whether somebody has said which folder is which. */
  isGiven = false;

  /** Learns from a file of the device that is the one here. @returns whether there was something to learn */
  learn(remotePath: string, localPath: string): boolean {
    const shared = commonSuffix(remotePath, localPath);
    if (shared === 0) return false;
    return this.add(cutSegments(remotePath, shared), cutSegments(localPath, shared));
  }

  add(remote: string, local: string): boolean {
    if (this.#pairs.some((each) => each.remote === remote && each.local === local)) return false;
    this.#pairs.push({ remote, local });
    // The deepest folder knows best.
    this.#pairs.sort((one, other) => other.local.length - one.local.length);
    return true;
  }

  /** Takes a pair that somebody has given on purpose. */
  give(remote: string, local: string): void {
    this.isGiven = true;
    this.add(remote, local);
  }

  toLocal(remotePath: string): string[] {
    return this.#translate(
      remotePath,
      ({ remote }) => remote,
      (pair, rest) => join(pair.local || '/', ...rest),
    );
  }

  #translate(
    path: string,
    from: (pair: Pair) => string,
    to: (pair: Pair, rest: readonly string[]) => string,
  ): string[] {
    const found = this.#pairs.flatMap((pair) => {
      const rest = within(path, from(pair));
      return rest === undefined ? [] : [to(pair, rest)];
    });
    return [...new Set(found)];
  }
}
