import { randomBytes } from 'node:crypto';
import { measureLink, type MemoryWay, type MoveExperience } from '../protocol/index.ts';
import type { Device } from './device.ts';

/** What a move is expected to cost. */
export interface MoveForecast {
  readonly pauseMs: number;
  readonly totalMs: number;
  /** What is expected from: earlier moves between the two devices, or the speed of the links to them. */
  readonly basis: 'moves' | 'link';
  /** How the memory of the process went the last time it moved from here. */
  readonly way?: MemoryWay | undefined;
}

/** Speed of a link. */
export interface LinkSpeed {
  /** Bytes a ms, each way. */
  readonly rate: number;
  /** From a question to its answer, in ms. */
  readonly roundTripMs: number;
}

/** Sent once to measure, in characters: a second and a half over 384 kbit/s. */
const load = 64 * 1024;
/** Before the first move: what one takes without any sending, in ms, and how many round trips are in it. */
const usualPauseMs = 300;
const pauseRoundTrips = 6;
const usualOverheadMs = 900;
const overheadRoundTrips = 12;

/**
 * @param experience of earlier moves; without it the links to both devices are measured
 * @param memoryBytes of the process
 * @param missingBytes of files that the target lacks
 */
export async function forecastMove(
  from: Device,
  to: Device,
  {
    experience,
    memoryBytes,
    missingBytes,
    signal,
  }: {
    readonly experience: MoveExperience | undefined;
    readonly memoryBytes: number;
    readonly missingBytes: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<MoveForecast> {
  if (experience !== undefined) {
    const { rate, pauseMs, overheadMs, way } = experience;
    const totalMs = overheadMs + (experience.memoryBytes + missingBytes) / rate;
    return { pauseMs: Math.round(pauseMs), totalMs: Math.round(totalMs), basis: 'moves', way };
  }
  const links = await Promise.all([
    measureSpeed(from, 'from', signal),
    measureSpeed(to, 'to', signal),
  ]);
  const rate = Math.min(...links.map((each) => each.rate));
  const roundTripMs = links.reduce((sum, each) => sum + each.roundTripMs, 0);
  const totalMs =
    usualOverheadMs + overheadRoundTrips * roundTripMs + (memoryBytes + missingBytes) / rate;
  return {
    pauseMs: Math.round(usualPauseMs + pauseRoundTrips * roundTripMs),
    totalMs: Math.round(totalMs),
    basis: 'link',
  };
}

/** @param direction in which the load goes */
export async function measureSpeed(
  device: Device,
  direction: 'from' | 'to',
  signal?: AbortSignal,
): Promise<LinkSpeed> {
  const roundTripMs = await timed(() =>
    device.request(measureLink, { load: '', length: 0 }, signal),
  );
  const loaded =
    direction === 'from'
      ? { load: '', length: load }
      : // Random, since a link may pack what goes over it.
        { load: randomBytes(load).toString('base64').slice(0, load), length: 0 };
  const ms = await timed(() => device.request(measureLink, loaded, signal));
  return { rate: load / Math.max(ms - roundTripMs, 0.5), roundTripMs };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
