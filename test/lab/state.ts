import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { root } from '../support/provisioned.ts';
import { findProcess, isAlive } from './processes.ts';

const handleSchema = v.object({ pid: v.number(), startTime: v.string() });

const deviceSchema = v.object({
  name: v.string(),
  /** 1 and up; decides address, uid and interface names, and stays while the lab exists. */
  index: v.number(),
  address: v.string(),
  /** The public host key as in known_hosts: type and key. */
  hostKey: v.string(),
  /** The device's PID 1 as this machine sees it; gone or dead after a power cut. */
  init: v.optional(handleSchema),
  /** The link's rate in the words of tc(8). */
  rate: v.optional(v.string()),
  /** What each packet is held up, each way, in ms. */
  delayMs: v.optional(v.number()),
  relay: v.optional(handleSchema),
});

const labSchema = v.object({
  version: v.literal(1),
  flickHome: v.string(),
  /** The first three numbers of the lab's /24. */
  network: v.string(),
  devices: v.array(deviceSchema),
});

export type DeviceState = v.InferOutput<typeof deviceSchema>;
export type LabState = v.InferOutput<typeof labSchema>;

/** Where a lab keeps what it has, and the id that its interfaces and cgroups are named by. */
export interface LabPlaces {
  readonly folder: string;
  readonly flickHome: string;
  readonly id: string;
}

export interface LabOptions {
  /** Where the devices are registered; else `FLICK_HOME`, else a folder of the default lab. */
  readonly flickHome?: string;
  /** The lab's own folder; else `LAB_HOME`, else one under the cache folder for each Flick home. */
  readonly labHome?: string;
}

const labs = join(root, '.cache', 'lab');

export function placesOf(options: LabOptions = {}): LabPlaces {
  const flickHome = resolve(
    options.flickHome ?? process.env['FLICK_HOME'] ?? join(labs, 'flick-home'),
  );
  const labHome = options.labHome ?? process.env['LAB_HOME'];
  const folder = labHome === undefined ? join(labs, shortHash(flickHome)) : resolve(labHome);
  return { folder, flickHome, id: shortHash(folder) };
}

/** Interface names have at most 15 characters, so six have to do. */
function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 6);
}

const stateFile = (places: LabPlaces): string => join(places.folder, 'lab.json');

/** The state of a lab; undefined where there is none. @throws {Error} where it is not a lab's state */
export function readState(places: LabPlaces): LabState | undefined {
  let text;
  try {
    text = readFileSync(stateFile(places), 'utf8');
  } catch {
    return undefined;
  }
  return v.parse(labSchema, JSON.parse(text));
}

export function writeState(places: LabPlaces, state: LabState): void {
  const file = stateFile(places);
  writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Runs `work` while no other process changes this lab. A lock whose holder died is taken over. */
export async function withLock<T>(places: LabPlaces, work: () => Promise<T>): Promise<T> {
  const lock = join(`${places.folder}.lock`);
  mkdirSync(resolve(lock, '..'), { recursive: true });
  const own = JSON.stringify(findProcess(process.pid));
  for (;;) {
    try {
      writeFileSync(lock, own, { flag: 'wx' });
      break;
    } catch {
      if (!isHeld(lock)) rmSync(lock, { force: true });
      else await sleep(50);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
    removeIfEmpty(labs);
  }
}

function isHeld(lock: string): boolean {
  let text;
  try {
    text = readFileSync(lock, 'utf8');
  } catch {
    return false;
  }
  // Not yet written by who has just made it.
  if (text === '') return true;
  const holder = v.safeParse(handleSchema, JSON.parse(text));
  return holder.success && isAlive(holder.output);
}

export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty, or not there.
  }
}
