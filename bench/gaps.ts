/** What a heartbeat felt between two moments; all in ms. */
export interface Gaps {
  /** The longest time between two beats: the pause. */
  readonly longestMs: number;
  /** The sum of all times between two beats that are longer than {@link noticeableMs}. */
  readonly sumMs: number;
  /** How many those are. */
  readonly count: number;
}

/** A gap longer than this counts as a standstill; a beat is due every 5 ms. */
export const noticeableMs = 20;

/**
 * The gaps that reach into a window of time, each with its whole length: a gap that begins before
 * the window is a standstill that the move caused no less.
 * @param beats moments in ms since the epoch, in order
 * @param from begin of the window in ms since the epoch
 * @param until its end
 * @throws {RangeError} where the beats do not span the window, so that nothing can be said of it
 */
export function gapsBetween(beats: readonly number[], from: number, until: number): Gaps {
  const first = beats[0];
  const last = beats.at(-1);
  if (first === undefined || last === undefined || first > from || last < until) {
    throw new RangeError('The heartbeat does not span the time that is asked for');
  }
  let longestMs = 0;
  let sumMs = 0;
  let count = 0;
  for (const [index, beat] of beats.entries()) {
    const before = beats[index - 1];
    if (before === undefined || beat <= from || before >= until) continue;
    const gap = beat - before;
    longestMs = Math.max(longestMs, gap);
    if (gap <= noticeableMs) continue;
    sumMs += gap;
    count += 1;
  }
  return { longestMs, sumMs, count };
}
