import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Disposable } from '../common/disposable.ts';
import { messageOf } from '../common/rpc.ts';
import {
  awaitHandoff,
  cancelHandoff,
  checkArrival,
  FlickError,
  handoffSteps,
  listDoubts,
  receiveProcess,
  sendProcess,
  type EngineName,
  type Finding,
  type HandoffOutcome,
  type HandoffStep,
  type MemoryWay,
  type ProcessInfo,
} from '../protocol/index.ts';
import type { Device } from './device.ts';
import { settleHandoffBetween } from './doubts.ts';
import { checkWithEngine, whyPortable, type EngineWish } from './engineChoice.ts';
import { forecastMove, type MoveForecast } from './forecast.ts';
import type { MoveKeeping, MoveParties } from './moveNotes.ts';
import { bringTogether, joinOnce, type Passage, type Way } from './passage.ts';

/** What both devices say of a move before anything is frozen. */
export interface MoveCheck {
  readonly findings: readonly Finding[];
  readonly memoryBytes: number;
  /** All files that belong to the process, and those of them that the target lacks. */
  readonly fileBytes: number;
  readonly missingBytes: number;
  readonly forecast: MoveForecast;
  /** How it is going to be moved, and why not by CRIU where that was left to Flick. */
  readonly engine: EngineName;
  readonly engineReason: string | null;
}

export interface MoveProgress {
  readonly step: HandoffStep;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface MoveOptions {
  readonly onProgress?: (progress: MoveProgress) => void;
  /** Cancels until the release; a move that is released goes through in spite of it. */
  readonly signal?: AbortSignal;
  /** Go on in spite of findings that only warn; findings that block are never overridden. */
  readonly acceptWarnings?: boolean;
  /** By default what {@link checkMove} would choose by the two devices. */
  readonly engine?: EngineWish;
  /** How the memory is to go, where the devices can do it so. */
  readonly memory?: MemoryWay | 'auto';
}

export interface MoveOutcome extends HandoffOutcome {
  readonly name: string;
  readonly from: Device;
  readonly to: Device;
  readonly engine: EngineName;
  /** Whether the agents reached each other, or spoke through this client. */
  readonly way: Way;
  /** Bytes that went through this client; 0 when the agents reached each other without it. */
  readonly relayedBytes: number;
}

/** How long to wait for both devices after a link broke in the middle of a move, in ms. */
const settleTimeout = 60_000;

/** How often, at what interval and for how long the target is asked whether it has let go of its word, in ms. */
const maxWordLooks = 3;
const wordInterval = 100;
const wordPatience = 1_000;

/** @throws {FlickError} when one of the devices cannot be asked; what stands in the way is in the findings */
export async function checkMove(
  from: Device,
  id: string,
  to: Device,
  options: { readonly engine?: EngineWish; readonly signal?: AbortSignal } = {},
): Promise<MoveCheck> {
  refuseSameDevice(from, to);
  await Promise.all([from.connect(), to.connect()]);
  const { engine: wish = 'auto', signal } = options;
  const departure = await checkWithEngine(from, id, to, { wish, signal });
  const arrival = await to.request(checkArrival, { id, facts: departure.facts }, signal);
  const { memoryBytes, fileBytes, experience, engine, why } = departure;
  const { missingBytes } = arrival;
  return {
    findings: [...departure.findings, ...arrival.findings],
    memoryBytes,
    fileBytes,
    missingBytes,
    forecast: await forecastMove(from, to, {
      experience,
      memoryBytes,
      missingBytes,
      signal,
    }),
    engine,
    engineReason: why ?? null,
  };
}

/**
 * Moves a process. The agents do it; this side introduces them, carries their bytes and tells how far they are.
 * @throws {FlickError} the error that ended the move; the process then runs on the source, except after `inDoubt`
 */
export async function moveProcess(
  from: Device,
  id: string,
  to: Device,
  options: MoveOptions,
  { logger, notes }: MoveKeeping,
): Promise<MoveOutcome> {
  refuseSameDevice(from, to);
  const { signal } = options;
  refuseCancelled(signal);
  await Promise.all([from.connect(), to.connect()]);
  refuseCancelled(signal);
  const handoff = makeHandoffId();
  const parties = { handoff, id, source: from.name, target: to.name };
  const identities = { source: from.deviceId, target: to.deviceId };
  await notes.write(handoff, identities);
  let inDoubt = false;
  let isOpen = false;
  const progress = followProgress(handoff, [from, to], options.onProgress);
  let passage: Passage | undefined;
  try {
    const name = from.processes.find((each) => each.id === id)?.name ?? id;
    const { engine: wish = 'auto' } = options;
    const engine =
      wish !== 'auto' ? wish : (await whyPortable(from, to)) === undefined ? 'criu' : 'v8';
    let outcome: HandoffOutcome;
    try {
      const arriving = await to.request(receiveProcess, { ...parties, link: true });
      const leaving = await from.request(
        sendProcess,
        {
          ...parties,
          acceptWarnings: options.acceptWarnings ?? false,
          link: true,
          memory: options.memory ?? 'auto',
          engine,
        },
        signal,
      );
      passage =
        arriving.link === undefined || leaving.link === undefined
          ? await joinOnce(from, leaving.ticket, to, arriving.ticket)
          : await bringTogether({
              handoff,
              source: { device: from, offer: leaving.link },
              target: { device: to, offer: arriving.link },
              logger,
            });
    } catch (error) {
      await Promise.all([abandon(to, handoff), abandon(from, handoff)]);
      refuseCancelled(signal);
      throw error;
    }
    const cancel = (): void => {
      from.request(cancelHandoff, { handoff }).catch((error: unknown) => {
        logger.log('warn', 'cancelling failed', { handoff, error: messageOf(error) });
      });
    };
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted === true) cancel();
    try {
      outcome = await from.request(awaitHandoff, { handoff });
    } catch (error) {
      if (!(error instanceof FlickError) || !isUnsettled(error)) throw error;
      logger.log('warn', 'move interrupted', { handoff, error: error.message });
      inDoubt = true;
      outcome = await settleInterrupted({ handoff, id, from, to, error, identities }).catch(
        (failure: unknown) => {
          inDoubt = failure instanceof FlickError && failure.reason === 'inDoubt';
          throw failure;
        },
      );
      inDoubt = false;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
    const { way, relayedBytes } = passage;
    // Who took part is asked for until all memory is there, and the target has heard that nobody needs its word.
    isOpen = (outcome.memory?.missingBytes ?? 0) > 0 || (await keepsWord(to, handoff));
    return { ...outcome, name, from, to, engine, way, relayedBytes };
  } catch (error) {
    // The source has the process; the target may not have heard of it and wait.
    if (!inDoubt) await abandon(to, handoff);
    throw error;
  } finally {
    progress.dispose();
    passage?.dispose();
    if (!inDoubt && !isOpen) await notes.remove(handoff);
  }
}

/** The last message of a move can be lost with the link; then the target is told when it is met again. */
async function keepsWord(target: Device, handoff: string): Promise<boolean> {
  for (let looks = 0; looks < maxWordLooks; looks += 1) {
    if (looks > 0) await delay(wordInterval);
    try {
      const { doubts } = await target.request(listDoubts, {}, AbortSignal.timeout(wordPatience));
      if (doubts.every((each) => each.handoff !== handoff)) return false;
    } catch {
      return true;
    }
  }
  return true;
}

function refuseSameDevice(from: Device, to: Device): void {
  if (from !== to) return;
  throw new FlickError('invalidRequest', `The process already is on ${to.name}.`);
}

function refuseCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new FlickError('cancelled', 'The move was cancelled.');
}

/** Tells a side that nothing will come. It may not know of the handoff, or be out of reach: both are fine. */
async function abandon(device: Device, handoff: string): Promise<void> {
  if (device.state.kind !== 'connected') return;
  await device.request(cancelHandoff, { handoff }).catch(() => undefined);
}

/** True when the error does not say where the process runs now. */
function isUnsettled(error: FlickError): boolean {
  return error.reason === 'linkLost' || error.reason === 'inDoubt';
}

interface Interrupted {
  readonly handoff: string;
  readonly id: string;
  readonly from: Device;
  readonly to: Device;
  readonly error: FlickError;
  /** Known here whatever another client, which settled it meanwhile, has made of the notes. */
  readonly identities: MoveParties;
}

/** Finds out how a move ended after the link to the source or between the agents broke. */
async function settleInterrupted(interrupted: Interrupted): Promise<HandoffOutcome> {
  const { handoff, id, from, to, error } = interrupted;
  const deadline = Date.now() + settleTimeout;
  for (;;) {
    let failure: unknown;
    try {
      await from.connect();
      // The agent keeps the outcome: only our own link may have been lost.
      return await from.request(awaitHandoff, { handoff });
    } catch (thrown) {
      failure = thrown;
    }
    if (from.state.kind === 'connected' && failure instanceof FlickError) {
      if (!isOpen(failure)) throw failure;
      const state = (await seenOn(from, id))?.state;
      // A source that has not released the process says so itself: no doubt then.
      if (state === 'running' || state === 'stopped') {
        // An agent that was started anew knows nothing of the move that ended with the one before.
        throw failure.reason === 'invalidRequest' ? brokenOff(from, error) : failure;
      }
      const settled = await settleByVerdicts(interrupted).catch(async (thrown: unknown) => {
        // Asking again changes nothing about a copy that was lost: it is a person's turn.
        if ((await seenOn(from, id))?.doubt?.what === 'lostThere') throw thrown;
        return undefined;
      });
      if (settled !== undefined) return settled();
    }
    if (Date.now() > deadline) break;
    await delay(1_000);
  }
  // Whichever side is away is asked when it connects again (Fleet.settleDoubts).
  throw new FlickError(
    'inDoubt',
    `The connection broke while the process was passed from ${from.name} to ${to.name}.`,
    {
      remedy:
        'Nothing is lost: it is decided where it runs as soon as both devices can be reached again.',
      cause: error,
    },
  );
}

/** True when the error leaves open where the process runs, or comes from an agent that was started anew. */
function isOpen(error: FlickError): boolean {
  return isUnsettled(error) || error.reason === 'invalidRequest';
}

async function seenOn(device: Device, id: string): Promise<ProcessInfo | undefined> {
  const processes = await device.listProcesses().catch(() => []);
  return processes.find((each) => each.id === id);
}

/** @returns what to tell of the move, once both sides agree */
async function settleByVerdicts(interrupted: Interrupted): Promise<() => HandoffOutcome> {
  const { handoff, id, from, to, error, identities } = interrupted;
  await to.connect();
  const settled = await settleHandoffBetween(handoff, from, to, identities);
  const arrived = (await to.listProcesses()).find((each) => each.id === id);
  const runsThere = settled === undefined ? arrived?.pid != null : settled === 'target';
  if (!runsThere) {
    const state = (await seenOn(from, id))?.state;
    const failure = state === 'lost' || state === 'exited' ? endedOn(from, error) : undefined;
    return () => {
      throw failure ?? brokenOff(from, error);
    };
  }
  return () => ({
    handoff,
    process: id,
    pid: arrived?.pid ?? 1,
    downtimeMs: 0,
    totalMs: 0,
    bytesSent: 0,
    steps: [],
    remarks: ['The connection broke during the move, so its times are not known.'],
  });
}

function brokenOff(from: Device, cause: FlickError): FlickError {
  return new FlickError(
    'transferFailed',
    `The connection broke during the move; the process still runs on ${from.name}.`,
    { remedy: 'Move it again when both devices are connected.', cause },
  );
}

function endedOn(from: Device, cause: FlickError): FlickError {
  return new FlickError('processGone', `The process ended on ${from.name} during the move.`, {
    remedy: 'If it was saved to a capsule, flick ps names the newest one.',
    cause,
  });
}

/** Reports of both agents as one: each step once it is reached, never one that is behind. */
function followProgress(
  handoff: string,
  devices: readonly Device[],
  report: MoveOptions['onProgress'],
): Disposable {
  let reached = 0;
  const subscriptions = devices.map((device) =>
    device.onHandoffProgress((progress) => {
      if (progress.handoff !== handoff) return;
      const position = handoffSteps.indexOf(progress.step);
      if (position < reached) return;
      reached = position;
      const { step, doneBytes, totalBytes } = progress;
      report?.({ step, doneBytes, totalBytes });
    }),
  );
  return {
    dispose() {
      for (const each of subscriptions) each.dispose();
    },
  };
}

const idAlphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
export function makeHandoffId(): string {
  const letters = Array.from({ length: 16 }, () => idAlphabet.charAt(randomInt(36)));
  return `h-${letters.join('')}`;
}
