import { constants } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FlickError } from '../../../protocol/index.ts';
import { beginPatience } from './capsule/patience.ts';
import { defaultPatience, reportOf, type CaptureReport } from './captureProgram.ts';
import { busy, converse } from './conversation.ts';

/** How often is looked whether a program stands still, in ms. */
const lookInterval = 3;

export interface HoldOptions {
  readonly pid: number;
  readonly file: string;
  /** A FIFO: a byte there lets the program go on, which takes it away then. */
  readonly gate: string;
  readonly patienceMs?: number;
  /** Calls it off. */
  readonly signal?: AbortSignal;
}

/** A program that stands still with its capsule written: nothing of it runs until it is told to. */
export interface HeldProgram {
  readonly report: CaptureReport;
  /** Resolves when it has been told to go on, and nothing of this is left in it, or it has ended. Never rejects. */
  readonly over: Promise<void>;
}

/**
 * Writes a running program into a capsule and leaves it standing still. It stays so when this process dies; whoever
 * comes later writes a byte to the gate, or ends it.
 * @throws {FlickError} as `captureProgram`, and the signal's reason. The gate is gone then: the program runs on, and does
 * not stand still later either; one whose capture is under way goes on when that has noticed it
 */
export async function holdProgram(options: HoldOptions): Promise<HeldProgram> {
  const { pid, signal, patienceMs = defaultPatience } = options;
  const file = resolve(options.file);
  const gate = resolve(options.gate);
  const hungUp = new AbortController();
  const began = performance.now();
  const conversation = converse(pid, { file, end: false, patienceMs, gate }, hungUp.signal);
  const ended = conversation.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const giveUp = async (why: unknown): Promise<never> => {
    await callOff(gate);
    hungUp.abort(why);
    await ended;
    throw why;
  };
  for (;;) {
    const over = await Promise.race([ended.then((failure) => ({ failure })), delay(lookInterval)]);
    // The capsule gets its name when it is complete.
    if ((await stat(file).catch(() => undefined)) !== undefined) break;
    if (over?.failure !== undefined) return giveUp(over.failure.error);
    if (over !== undefined) {
      return giveUp(
        new FlickError('processGone', 'The program ended before its capsule was written.'),
      );
    }
    if (signal?.aborted === true) return giveUp(signal.reason);
    const waited = performance.now() - began;
    if (waited > 2 * patienceMs + beginPatience && !(await isAwaited(gate))) {
      return giveUp(busy(waited, undefined));
    }
  }
  return { report: await reportOf(file), over: ended.then(() => undefined) };
}

/** Nothing comes of it: a program that stands still goes on, and one that has not yet come to that will not. */
export async function callOff(gate: string): Promise<void> {
  // Held open until it is out of reach: a program that opens it in between finds the byte.
  const file = await open(gate, constants.O_RDWR | constants.O_NONBLOCK).catch(() => undefined);
  await file?.write('g').catch(() => undefined);
  await rm(gate, { force: true });
  await file?.close();
}

/** Whether a program has begun to be captured: it holds the gate open from then on. */
async function isAwaited(gate: string): Promise<boolean> {
  const file = await open(gate, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined);
  await file?.close();
  return file !== undefined;
}
