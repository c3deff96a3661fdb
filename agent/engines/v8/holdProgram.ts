import { constants } from 'node:fs';
import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
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
  /**
   * Takes what the program tells of itself while it runs (`capsule/advance.ts`); it stands still once that resolves, or
   * has taken too long, and not at all where that rejects.
   */
  readonly announce?: (advance: Buffer) => Promise<void>;
}

/** A program that stands still with its capsule written: nothing of it runs until it is told to. */
export interface HeldProgram {
  readonly report: CaptureReport;
  /** Since when it stands still, by `performance.now()`. */
  readonly since: number;
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
  const announcement = options.announce && new Announcement(file, options.announce);
  // What is there later is this program's.
  await announcement?.remove();
  const settings = { file, end: false, patienceMs, gate, ...announcement?.files };
  let hasBegun = false;
  const conversation = converse(pid, settings, hungUp.signal, () => (hasBegun = true));
  const ended = conversation.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const giveUp = async (why: unknown): Promise<never> => {
    await callOff(gate);
    // What is at work in the program ends by itself: an inspector that is closed beneath it would take the program along.
    if (!hasBegun) hungUp.abort(why);
    await ended;
    await announcement?.remove();
    throw why;
  };
  for (;;) {
    const over = await Promise.race([ended.then((failure) => ({ failure })), delay(lookInterval)]);
    await announcement?.look();
    // The capsule gets its name when it is complete.
    if ((await stat(file).catch(() => undefined)) !== undefined) break;
    if (announcement?.failure !== undefined) return giveUp(announcement.failure);
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
  const report = await reportOf(file);
  const since = await standsStillSince(file, report);
  // The program does not wait for ever for whoever gets ready.
  await announcement?.over;
  if (announcement?.failure !== undefined) return giveUp(announcement.failure);
  await announcement?.remove();
  return { report, since, over: ended.then(() => undefined) };
}

/** The capsule is written once the program has been captured. */
async function standsStillSince(file: string, { pauseMs }: CaptureReport): Promise<number> {
  const { birthtimeMs, mtimeMs } = await stat(file);
  const written = birthtimeMs > 0 ? Math.min(birthtimeMs, mtimeMs) : mtimeMs;
  return performance.now() - Math.max(0, Date.now() - written) - pauseMs;
}

/** Passes on what a program tells of itself while it runs. */
class Announcement {
  readonly files: { readonly advance: string; readonly ready: string };
  readonly #announce: (advance: Buffer) => Promise<void>;
  #passedOn: Promise<void> | undefined;
  #failure: unknown;

  constructor(file: string, announce: (advance: Buffer) => Promise<void>) {
    this.files = { advance: `${file}.advance`, ready: `${file}.ready` };
    this.#announce = announce;
  }

  /** Why nothing comes of it. */
  get failure(): unknown {
    return this.#failure;
  }

  async remove(): Promise<void> {
    for (const each of Object.values(this.files)) await rm(each, { force: true });
  }

  /** Resolves when nothing of it is under way. */
  get over(): Promise<void> {
    return this.#passedOn ?? Promise.resolve();
  }

  /** Begins once there is something to be passed on. */
  async look(): Promise<void> {
    if (this.#passedOn !== undefined) return;
    const advance = await readFile(this.files.advance).catch(() => undefined);
    if (advance !== undefined) this.#passedOn = this.#pass(advance);
  }

  async #pass(advance: Buffer): Promise<void> {
    try {
      await this.#announce(advance);
      await writeFile(this.files.ready, '', { mode: 0o600 });
    } catch (error) {
      this.#failure = error;
    }
  }
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
