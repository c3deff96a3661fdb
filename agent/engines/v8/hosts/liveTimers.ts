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

/** What of a timer is nobody's but Node.js's. */
type Own = 'refed' | 'kHasPrimitive' | 'asyncId';

function keyOf(timer: object, name: Own): symbol | undefined {
  return Object.getOwnPropertySymbols(timer).find(({ description }) => description === name);
}

export function ownOf(timer: object, name: Own): unknown {
  const key = keyOf(timer, name);
  return key === undefined ? undefined : Reflect.get(timer, key);
}

export function setOwn(timer: object, name: Own, value: unknown): void {
  const key = keyOf(timer, name);
  if (key !== undefined) Reflect.set(timer, key, value);
}

/** Where Node.js counts what goes on; timers are known by these numbers too. */
export function idCounter(internals: NodeInternals): { last: number } {
  const wrap = internals.binding('async_wrap') as unknown as {
    async_id_fields: Float64Array;
    constants: { kAsyncIdCounter: number };
  };
  const { async_id_fields: fields, constants } = wrap;
  return {
    get last() {
      return fields[constants.kAsyncIdCounter] ?? 0;
    },
    set last(id) {
      fields[constants.kAsyncIdCounter] = id;
    },
  };
}
