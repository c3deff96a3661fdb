import { rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { FlickError } from '../../../protocol/index.ts';
import { inspectCapsule } from './capsule/read.ts';
import { converse } from './conversation.ts';

/** How long a safe point is looked for unless told otherwise, in ms. */
export const defaultPatience = 2_000;

export interface CaptureOptions {
  readonly pid: number;
  /** Where the capsule is written; on the disk before the program ends. */
  readonly file: string;
  /** How long a safe point is looked for, in ms. */
  readonly patienceMs?: number;
  /** Whether the program ends when its capsule is written; it does unless told otherwise. */
  readonly end?: boolean;
  /** Files: what the program tells of itself while it still runs, and the word that somebody is ready for it. */
  readonly announce?: { readonly advance: string; readonly ready: string };
}

export interface CaptureReport {
  readonly file: string;
  readonly bytes: number;
  /** How long the program stood still, in ms. */
  readonly pauseMs: number;
  /** Tries at a safe point. */
  readonly attempts: number;
  readonly objects: number;
  /** What the program does without from now on, as sentences for people. */
  readonly dropped: string[];
}

/**
 * Writes a running program into a capsule and, unless told otherwise, ends it, in one step: it does nothing in between.
 * @throws {FlickError} `refused` when the program cannot be carried, naming what and where; it then goes on unharmed
 */
export async function captureProgram(options: CaptureOptions): Promise<CaptureReport> {
  const { pid, end = true, patienceMs = defaultPatience, announce } = options;
  const file = resolve(options.file);
  // What is there afterwards is this program's.
  await rm(file, { force: true });
  await converse(pid, { file, end, patienceMs, ...announce });
  return reportOf(file);
}

/** What the capsule of a program says of its capture. @throws {FlickError} `processGone` when there is none */
export async function reportOf(file: string): Promise<CaptureReport> {
  const size = (await stat(file).catch(() => undefined))?.size;
  if (size === undefined) {
    throw new FlickError('processGone', 'The program ended before its capsule was written.');
  }
  const { pauseMs, attempts, counts, dropped } = inspectCapsule(file);
  return { file, bytes: size, pauseMs, attempts, objects: counts.objects, dropped: [...dropped] };
}

/** What a capture would leave behind, or the error that it would end with; the program stands still as long as one takes. */
export async function rehearseCapture(
  pid: number,
  patienceMs = defaultPatience,
): Promise<readonly string[]> {
  const settings = { file: '', end: false, patienceMs, rehearse: true };
  const done = await converse(pid, settings);
  if (done === undefined) throw new FlickError('processGone', 'The program ended meanwhile.');
  return done.dropped;
}
