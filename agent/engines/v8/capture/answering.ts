import { readFileSync } from 'node:fs';
import { url as inspectorUrl } from 'node:inspector';

/** A timer of the engine itself that outlives what it did in the program. */
const ownTimer = Symbol.for('flick.timer');

/**
 * How long a program that goes on waits with its answer, in ms: it may go on because whoever asked has just died, and
 * is then told apart from one who listens.
 */
const dyingMs = 500;

/** As in /proc/net/tcp. */
const established = '01';

/**
 * Whether whoever asked is still there. A Node.js that answers over a connection whose other end has just died is ended
 * by that at times (SIGSEGV, seen with Node 20), so nobody is answered then. Linux only; elsewhere it is taken for granted.
 */
export function isHeard(): boolean {
  if (process.platform !== 'linux') return true;
  const own = /:(\d+)\//.exec(inspectorUrl() ?? '')?.[1];
  if (own === undefined) return false;
  const port = `:${Number(own).toString(16).toUpperCase().padStart(4, '0')}`;
  return ['tcp', 'tcp6'].some((table) =>
    connectionsIn(table).some(({ local, state }) => local.endsWith(port) && state === established),
  );
}

/** Does something once it is certain whether whoever asked has died; it keeps no program from ending meanwhile. */
export function onceCertain(work: () => void): void {
  const timer = setTimeout(work, dyingMs).unref();
  Object.defineProperty(timer, ownTimer, { value: true });
}

export function isOwnTimer(timer: object): boolean {
  return Object.hasOwn(timer, ownTimer);
}

function connectionsIn(table: string): { readonly local: string; readonly state: string }[] {
  try {
    const lines = readFileSync(`/proc/self/net/${table}`, 'latin1').split('\n').slice(1);
    return lines.flatMap((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      return local === undefined || state === undefined ? [] : [{ local, state }];
    });
  } catch {
    return [];
  }
}
