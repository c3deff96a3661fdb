import type { Candidate } from '../../protocol/index.ts';

/**
 * Process trees of a user that could be adopted, those that listen on a port first, then the youngest.
 * @param exclude PIDs (as the agent sees them) of roots that Flick manages already
 */
export function listCandidates(
  _uid: number,
  _exclude: ReadonlySet<number> = new Set(),
): Promise<Candidate[]> {
  return Promise.resolve([]);
}
