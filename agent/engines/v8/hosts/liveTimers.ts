import type { NodeInternals } from '../capture/internals.ts';

/** A timer as Node.js keeps it. */
export interface LiveTimer {
  _onTimeout: unknown;
  _timerArgs: unknown[] | undefined;
  _repeat: number | null;
  _idleTimeout: number;
  _idleStart: number;
  _idlePrev: LiveTimer | null;
  _destroyed: boolean;
  hasRef(): boolean;
}

/** All timers that are running, those of Node.js as well, by their lists and in the order of each. */
export function* liveTimers(internals: NodeInternals): Generator<LiveTimer> {
  const { timerListMap } = internals.require('internal/timers') as {
    timerListMap: Record<string, LiveTimer>;
  };
  for (const list of Object.values(timerListMap)) {
    for (let each = list._idlePrev; each !== null && each !== list; each = each._idlePrev) {
      yield each;
    }
  }
}
