import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { FlickError } from '../../protocol/index.ts';
import { addressOf } from './programSymbols.ts';

/** True from the start of Node.js to the beginning of its end; false, the signal makes it abort (Node.js 20 to 24). */
const flagSymbol = '_ZN4node9inspector12_GLOBAL__N_1L33start_io_thread_async_initializedE';
/** How long a moment is waited for in which the program waits itself, and how often is looked, in ms. */
const idlePatience = 100;
const idleInterval = 1;
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
    for (const deadline = performance.now() + idlePatience; performance.now() < deadline;) {
      if (isWaiting(pid)) break;
      await delay(idleInterval);
    }
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

/** Whether its event loop waits for something (proc_pid_syscall(5)). */
function isWaiting(pid: number): boolean {
  try {
    const [call = ''] = readFileSync(`/proc/${pid}/syscall`, 'utf8').split(' ');
    return waitingCalls[process.arch]?.includes(Number(call)) === true;
  } catch {
    return false;
  }
}
