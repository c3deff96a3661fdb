import type { HandoffVerdict } from '../protocol/index.ts';

/**
 * Whether what a device says of a handoff may be told to the other side. One that knows nothing of it tells something
 * only if it is known to be the very device that took part: else two copies could run.
 */
export function mayTell(verdict: HandoffVerdict, tookPart: boolean): boolean {
  return verdict !== 'unknown' || tookPart;
}
