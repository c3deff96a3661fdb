import { FlickError } from '../../protocol/index.ts';
import { linkPatience } from './link/patience.ts';

/** As many times what is done without a link while a process stands still is long enough for any restore. */
const times = 3;
/** A slow disk reads and writes at least so many bytes in a ms. */
const slowDisk = 4_000;
/** How often is looked, as a part of the patience. */
const looks = 20;

/**
 * Waits for a restore, but not for ever: the process stands still meanwhile, and nobody else would end one that hangs.
 * @param sign changes with everything that arrives
 * @param memoryBytes of the process
 * @throws {FlickError} `restoreFailed` when nothing has happened for long; what hangs is left to whoever takes the cell down
 */
export async function unlessStuck<T>(
  restore: Promise<T>,
  sign: () => number,
  memoryBytes: number,
): Promise<T> {
  const patience = times * linkPatience().frozen + memoryBytes / slowDisk;
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    let [last, since] = [sign(), performance.now()];
    timer = setInterval(() => {
      const now = sign();
      if (now !== last) [last, since] = [now, performance.now()];
      else if (performance.now() - since > patience) reject(hangs(performance.now() - since));
    }, patience / looks);
  });
  try {
    return await Promise.race([restore, stuck]);
  } finally {
    clearInterval(timer);
  }
}

function hangs(ms: number): FlickError {
  return new FlickError(
    'restoreFailed',
    `The restore of the process did not come to its end: nothing has happened for ${Math.round(ms / 1000)} s.`,
    { remedy: 'The process goes on where it was. Try again.' },
  );
}
