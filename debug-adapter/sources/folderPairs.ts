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

  /** Learns from a file of the device that is the one here. */
  learn(remotePath: string, localPath: string): void {
    const shared = commonSuffix(remotePath, localPath);
    if (shared === 0) return;
    this.#add(cutSegments(remotePath, shared), cutSegments(localPath, shared));
  }

  #add(remote: string, local: string): void {
    if (this.#pairs.some((each) => each.remote === remote && each.local === local)) return;
    this.#pairs.push({ remote, local });
    // The deepest folder knows best.
    this.#pairs.sort((one, other) => other.local.length - one.local.length);
  }

  /** Takes a pair that somebody has given on purpose. */
  give(remote: string, local: string): void {
    this.isGiven = true;
    this.#add(remote, local);
  }

  toLocal(remotePath: string): string[] {
    const found = this.#pairs.flatMap(({ remote, local }) => {
      const rest = within(remotePath, remote);
      return rest === undefined ? [] : [join(local || '/', ...rest)];
    });
    return [...new Set(found)];
  }
}
