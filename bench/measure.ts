import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { Figures } from './figures.ts';
import { gapsBetween } from './gaps.ts';
import { changeBetweenHops, percentPerSecond, type Case } from './plan.ts';
import type { Hop, Runner, Subject } from './runners/runner.ts';
import { other, type Stage } from './stage.ts';

const reportSchema = v.object({
  rss: v.number(),
  start: v.number(),
  beats: v.array(v.number()),
});
const verifiedSchema = v.object({ pages: v.number(), broken: v.number() });

/** How long a process runs undisturbed before and after a hop. */
const restMs = 2000;
const settleMs = 300;

/**
 * Starts a process, moves it as often as the case says and measures those hops that it names.
 * @param onFigures is told of each hop that was measured, once the process was found to be whole
 * @throws {Error} where a hop fails, or the process is not what it was afterwards
 */
export async function measureCase(
  stage: Stage,
  runner: Runner,
  { sizeMb, link, hops }: Case,
  limitMs: number,
  onFigures: (hop: 1 | 2, figures: Figures) => void,
): Promise<void> {
  await stage.setLink('full');
  const subject = await runner.launch({ sizeMb, percentPerSecond: percentPerSecond(sizeMb, link) });
  try {
    await answering(subject);
    for (const hop of [1, 2] as const) {
      if (hop > Math.max(...hops)) break;
      if (hop === 2) await subject.ask(`change ${String(changeBetweenHops)}`);
      await stage.setLink(hops.includes(hop) ? link : 'full');
      const measured = await measureHop(stage, subject, limitMs);
      await stage.setLink('full');
      await verify(subject);
      if (hops.includes(hop)) onFigures(hop, measured);
    }
  } finally {
    await stage.setLink('full');
    await subject.end();
  }
}

async function measureHop(stage: Stage, subject: Subject, limitMs: number): Promise<Figures> {
  await sleep(restMs);
  const target = other(subject.device);
  const [load = 0] = loadavg();
  const wireBefore = stage.wireBytes(target);
  const { startedAt, endedAt, toolMs, parts } = await moveWithin(subject, limitMs);
  const wireBytes = stage.wireBytes(target) - wireBefore;
  await sleep(settleMs);
  const restedFrom = startedAt - restMs / 2;
  const report = v.parse(
    reportSchema,
    JSON.parse(await subject.ask(`report ${String(restedFrom)}`)),
  );
  const beats = report.beats.map((beat) => report.start + beat);
  const { longestMs, sumMs } = gapsBetween(beats, startedAt, endedAt);
  return {
    pauseMs: longestMs,
    gapsMs: sumMs,
    totalMs: endedAt - startedAt,
    wireBytes,
    toolMs,
    restMs: gapsBetween(beats, restedFrom, startedAt).longestMs,
    load,
    residentBytes: report.rss,
    parts,
  };
}

async function moveWithin(subject: Subject, limitMs: number): Promise<Hop> {
  const move = subject.move(limitMs);
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    const told = `it had not arrived after ${String(limitMs / 60_000)} min`;
    timer = setTimeout(() => reject(new Error(told)), limitMs);
  });
  // Ending the process ends a move that was given up; how it fails then is of no interest.
  move.catch(() => undefined);
  return Promise.race([move, limit]).finally(() => clearTimeout(timer));
}

async function verify(subject: Subject): Promise<void> {
  const { pages, broken } = v.parse(verifiedSchema, JSON.parse(await subject.ask('verify')));
  if (broken > 0) throw new Error(`${String(broken)} of ${String(pages)} pages arrived wrong`);
}

/** Waits until a process has filled its heap. */
async function answering(subject: Subject): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      await subject.ask('report 0');
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(200);
    }
  }
}
