import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { Figures } from './figures.ts';
import { gapsBetween } from './gaps.ts';
import { changeBetweenHops, percentPerSecond, type Case } from './plan.ts';
import type { Runner, Subject } from './runners/runner.ts';
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
 * @returns the figures by hop
 * @throws {Error} where a hop fails, or the process is not what it was afterwards
 */
export async function measureCase(
  stage: Stage,
  runner: Runner,
  { sizeMb, link, hops }: Case,
  limitMs: number,
): Promise<Map<1 | 2, Figures>> {
  const figures = new Map<1 | 2, Figures>();
  await stage.setLink('full');
  const subject = await runner.launch({ sizeMb, percentPerSecond: percentPerSecond(link) });
  try {
    await answering(subject);
    for (const hop of [1, 2] as const) {
      if (hop > Math.max(...hops)) break;
      if (hop === 2) await subject.ask(`change ${String(changeBetweenHops)}`);
      await stage.setLink(hops.includes(hop) ? link : 'full');
      const measured = await measureHop(stage, subject, limitMs);
      if (hops.includes(hop)) figures.set(hop, measured);
      await stage.setLink('full');
    }
    const { pages, broken } = v.parse(verifiedSchema, JSON.parse(await subject.ask('verify')));
    if (broken > 0) throw new Error(`${String(broken)} of ${String(pages)} pages arrived wrong`);
    return figures;
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
  const { startedAt, endedAt, toolMs, parts } = await subject.move(limitMs);
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
