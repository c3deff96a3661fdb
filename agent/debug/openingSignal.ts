import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { FlickError } from '../../protocol/index.ts';
import { addressOf } from './programSymbols.ts';

/** True from the start of Node.js to the beginning of its end; false, the signal makes it abort (Node.js 20 to 24). */
const flagSymbol = '_ZN4node9inspector12_GLOBAL__N_1L33start_io_thread_async_initializedE';
/** How long a moment is waited for in which the program waits itself, and how often is looked, in ms. */
const idlePatience = 100;
const idleInterval = 1;
/** A wait of which not more than `freshFor` can have gone by is long enough when it is this long, in ms. */
const [freshFor, longEnough] = [4, 10];
/** A wait so long hardly ends just now, however much of it has gone by. */
const endless = 1_000;
/** Numbers of epoll_wait and epoll_pwait. */
const waitingCalls: Readonly<Partial<Record<NodeJS.Architecture, readonly number[]>>> = {
  x64: [232, 281],
  arm64: [22],
};

/**
 * Sends the signal at which Node.js opens its inspector. A program that is just ending would abort at it: so one that has
 * begun to end is left alone, and the signal is sent, where that comes soon, while the event loop waits, from where the
 * way to the end is the longest. What remains is a program that is busy and begins to end within the microseconds
 * between the look and the signal.
 * @throws {FlickError} `processGone` when it is ending
 */
export async function sendOpeningSignal(pid: number): Promise<void> {
  const flag = await openFlag(pid);
  try {
    await beginningOfWait(pid);
    // From here on at once: nothing may come in between.
    if (flag?.() === false) throw new FlickError('processGone', 'The process is just ending.');
    process.kill(pid, 'SIGUSR1');
  } finally {
    flag?.close();
  }
}

type Flag = (() => boolean | undefined) & { close(): void };

/** @returns undefined where a process has no such flag, or its memory is closed to us */
async function openFlag(pid: number): Promise<Flag | undefined> {
  let file: number | undefined;
  try {
    const address = await addressOf(pid, flagSymbol);
    if (address === undefined) return undefined;
    file = openSync(`/proc/${pid}/mem`, 'r');
    return Object.assign(readerOf(file, address), { close: closerOf(file) });
  } catch {
    if (file !== undefined) closeSync(file);
    return undefined;
  }
}

function readerOf(file: number, address: bigint): () => boolean | undefined {
  const byte = Buffer.alloc(1);
  return () => {
    try {
      return readSync(file, byte, 0, 1, address) === 1 ? byte[0] !== 0 : undefined;
    } catch {
      return undefined;
    }
  };
}

function closerOf(file: number): () => void {
  return () => closeSync(file);
}

/** Comes back when its event loop has just begun to wait for a while, or {@link idlePatience} is over. */
async function beginningOfWait(pid: number): Promise<void> {
  const deadline = performance.now() + idlePatience;
  let [seen, at] = [turnsOf(pid), performance.now()];
  for (;;) {
    const wait = waitOf(pid);
    if (wait >= endless) return;
    const [turns, now] = [turnsOf(pid), performance.now()];
    if (wait >= longEnough && turns !== seen && now - at < freshFor) return;
    if (now > deadline) return;
    [seen, at] = [turns, now];
    await delay(idleInterval);
  }
}

/** How often it has been given a processor, as text (proc_pid_schedstat(5)); changes with each wait. */
function turnsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/schedstat`, 'utf8');
  } catch {
    return '';
  }
}

/** How long its event loop means to wait for something, in ms; 0 when it runs (proc_pid_syscall(5), epoll_wait(2)). */
function waitOf(pid: number): number {
  try {
    const [call = '', , , , limit = ''] = readFileSync(`/proc/${pid}/syscall`, 'utf8').split(' ');
    if (waitingCalls[process.arch]?.includes(Number(call)) !== true) return 0;
    const ms = Number(BigInt.asIntN(32, BigInt(limit)));
    return ms < 0 ? Infinity : ms;
  } catch {
    return 0;
  }
}
