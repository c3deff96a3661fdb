import type { CriuFacts } from './factsSchema.ts';

export { criuFacts, type CriuFacts } from './factsSchema.ts';

export interface FactsInput {
  /** PID of the tree's root as the agent sees it. */
  readonly rootPid: number;
  /** The cell it lives in; absent for a process of the host. */
  readonly cell?: { readonly keeperPid: number } | undefined;
  /** True when the terminal of the tree is one whose master a keeper holds. */
  readonly flickOwnedTty: boolean;
  /** Absolute paths, as the process sees them, that the user asked to take along. */
  readonly carry: readonly string[];
}

/**
 * Looks a process tree over without touching it: everything is read from /proc (and from `ss` where it is installed).
 * Nothing is stopped or frozen, so that what changes meanwhile is seen half; processes that end on the way are left out.
 * @throws {FlickError} `processGone` when the root is no more
 */
export function gatherFacts(_input: FactsInput): Promise<CriuFacts> {
  return Promise.reject(new Error('not yet'));
}
