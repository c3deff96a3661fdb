import { join } from 'node:path';
import * as v from 'valibot';
import { bytes, memoryWays, milliseconds, type MoveExperience } from '../../protocol/index.ts';
import { readValidated, writeDurably } from '../state/durable.ts';
import type { AgentHome } from '../state/home.ts';

/** Weight of the latest move. */
const smoothing = 0.5;
/** Most devices and processes that are remembered. */
const maxRemembered = 200;

const positive = v.pipe(v.number(), v.finite(), v.minValue(0));
const remembered = v.object({
  version: v.literal(1),
  peers: v.record(
    v.string(),
    v.object({ rate: positive, pauseMs: positive, overheadMs: positive }),
  ),
  /** Of each process: what was sent of its memory the last time, as a share of all of it. */
  shares: v.record(v.string(), positive),
  /** Of each process: how its memory went the last time. */
  ways: v.optional(v.record(v.string(), v.picklist(memoryWays)), {}),
});

/** A move as it was. */
export const moveFigures = v.object({
  memoryBytes: bytes,
  sentBytes: bytes,
  /** Bytes a ms that the link took. */
  rate: positive,
  pauseMs: milliseconds,
  totalMs: milliseconds,
  way: v.picklist(memoryWays),
});
export type MoveFigures = v.InferOutput<typeof moveFigures>;

/** What earlier moves say about the next one. Measured here or not said at all. */
export class Forecasts {
  readonly #path: string;
  #known: v.InferOutput<typeof remembered> = {
    version: 1,
    peers: {},
    shares: {},
    ways: {},
  };

  private constructor(path: string) {
    this.#path = path;
  }

  /** Reads what is remembered; what cannot be read is forgotten. */
  static async open(home: AgentHome): Promise<Forecasts> {
    const forecasts = new Forecasts(join(home.root, 'forecasts.json'));
    const known = await readValidated(forecasts.#path, remembered).catch(() => undefined);
    if (known !== undefined) forecasts.#known = known;
    return forecasts;
  }

  /** @returns undefined when nothing has moved to that device yet */
  expect(peer: string, process: string, memoryBytes: number): MoveExperience | undefined {
    const known = this.#known.peers[peer];
    if (known === undefined || known.rate === 0) return undefined;
    const share = Math.min(1, this.#known.shares[process] ?? 1);
    const way = this.#known.ways[process];
    const expected = { ...known, memoryBytes: Math.round(memoryBytes * share) };
    return way === undefined ? expected : { ...expected, way };
  }

  async learn(peer: string, process: string, figures: MoveFigures): Promise<void> {
    const { memoryBytes, sentBytes, rate, pauseMs, totalMs, way } = figures;
    const overheadMs = Math.max(0, totalMs - sentBytes / Math.max(rate, 1));
    const before = this.#known.peers[peer] ?? { rate, pauseMs, overheadMs };
    const next = (was: number, is: number): number => was + smoothing * (is - was);
    const peers = {
      ...without(this.#known.peers, peer),
      [peer]: {
        rate: next(before.rate, rate),
        pauseMs: next(before.pauseMs, pauseMs),
        overheadMs: next(before.overheadMs, overheadMs),
      },
    };
    const share = memoryBytes === 0 ? 0 : sentBytes / memoryBytes;
    const shares = { ...without(this.#known.shares, process), [process]: share };
    const ways = { ...without(this.#known.ways, process), [process]: way };
    this.#known = {
      version: 1,
      peers: latest(peers),
      shares: latest(shares),
      ways: latest(ways),
    };
    await writeDurably(this.#path, JSON.stringify(this.#known));
  }
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([each]) => each !== key));
}

function latest<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).slice(-maxRemembered));
}
