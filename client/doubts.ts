import { mayTell } from '../common/handoffVerdict.ts';
import { messageOf } from '../common/rpc.ts';
import {
  FlickError,
  listDoubts,
  queryHandoff,
  settleHandoff,
  type HandoffVerdict,
  type ResultOf,
} from '../protocol/index.ts';
import type { Device } from './device.ts';
import type { MoveKeeping, MoveParties } from './moveNotes.ts';
import { bringPagesAgain } from './pagesAgain.ts';

type Doubt = ResultOf<typeof listDoubts>['doubts'][number];

/** Where the process runs after a handoff was settled. */
export type Settlement = 'source' | 'target';

/**
 * Lets both sides of an interrupted handoff meet: each is told what the other durably says, and they come to one
 * verdict (docs/handoff.md).
 * @param parties who took part, where this client made the move. A side that knows nothing is believed only if it is
 * known to be the one that took part: otherwise two copies could run.
 * @returns undefined when neither side has anything to decide
 * @throws {FlickError} `inDoubt` when it is not over by that, or the right device is not there; an error of the link when
 * one side cannot be asked
 */
export async function settleHandoffBetween(
  handoff: string,
  source: Device,
  target: Device,
  parties: MoveParties | undefined,
): Promise<Settlement | undefined> {
  // The source first: a target that is asked before it has decided gives up, and the move may be under way.
  const here = await verdictOf(source, handoff);
  if (here === 'held') throw new FlickError('inDoubt', 'The move is still under way.');
  const there = await verdictOf(target, handoff);
  if (here === 'unknown') {
    if (there === 'unknown') return undefined;
    if (!mayTell(here, source.deviceId === parties?.source)) throw wrongDevice(source);
    await tell(target, handoff, here);
    return there === 'running' || there === 'incomplete' ? 'target' : 'source';
  }
  const tookPart = target.deviceId === parties?.target;
  if (!mayTell(there, tookPart)) throw wrongDevice(target);
  const peerVerdict = here === 'claimed' ? await claimFrom(target, handoff, there) : there;
  if (!mayTell(peerVerdict, tookPart)) throw wrongDevice(target);
  const { runsHere } = await source.request(settleHandoff, { handoff, peerVerdict });
  const left = await verdictOf(source, handoff);
  // The target need not keep its word any longer; an entry that stays there does no harm.
  const told = left === 'unknown' ? 'done' : left;
  await target.request(settleHandoff, { handoff, peerVerdict: told }).catch(() => undefined);
  if (left !== 'unknown') {
    throw new FlickError('inDoubt', `It is not over between ${source.name} and ${target.name}.`);
  }
  return runsHere ? 'source' : 'target';
}

/** A person let it run on the source: the target has to hear that first. @returns what the target says then */
async function claimFrom(
  target: Device,
  handoff: string,
  there: HandoffVerdict,
): Promise<HandoffVerdict> {
  if (there === 'unknown') return there;
  await tell(target, handoff, 'claimed');
  const after = await verdictOf(target, handoff);
  // It heard the claim itself: that nothing is left there is no guess.
  return after === 'unknown' ? 'aborted' : after;
}

/** One that has given up, and only remembers that, has nothing to settle. */
async function tell(target: Device, handoff: string, peerVerdict: HandoffVerdict): Promise<void> {
  await target.request(settleHandoff, { handoff, peerVerdict }).catch((error: unknown) => {
    if (!(error instanceof FlickError) || error.reason !== 'invalidRequest') throw error;
  });
}

function wrongDevice(device: Device): FlickError {
  return new FlickError('inDoubt', `${device.name} knows nothing of the move.`, {
    remedy: 'Connect the device that took part in it.',
  });
}

async function verdictOf(device: Device, handoff: string): Promise<HandoffVerdict> {
  return (await device.request(queryHandoff, { handoff })).verdict;
}

/**
 * Settles what is in doubt on a device as far as the other side can be asked now. Failures are logged: the next
 * connection of either device tries again.
 * @returns the ids of the processes whose doubt is over
 */
export async function settleDoubtsOf(
  device: Device,
  others: readonly Device[],
  keeping: MoveKeeping,
): Promise<readonly string[]> {
  const { logger, notes } = keeping;
  const { doubts } = await device.request(listDoubts, {});
  const settled: string[] = [];
  for (const doubt of doubts) {
    const { handoff } = doubt;
    try {
      const parties = await notes.read(handoff);
      const peer = await peerOf(doubt, others, parties);
      if (peer === undefined) continue;
      const [source, target] = doubt.role === 'source' ? [device, peer] : [peer, device];
      if (await goesOn(handoff, source, target, keeping)) continue;
      if (doubt.role === 'target') {
        if (await tidyTarget(handoff, peer, device, parties)) await notes.remove(handoff);
        continue;
      }
      const where = await settleHandoffBetween(handoff, device, peer, parties);
      await notes.remove(handoff);
      logger.log('info', 'handoff settled', { handoff, runsOn: where });
      settled.push(doubt.process);
    } catch (error) {
      logger.log('warn', 'handoff not settled', { handoff, error: messageOf(error) });
    }
  }
  return settled;
}

/**
 * Where a process runs that lacks memory which the other side has, the two are brought together again: nothing else is to
 * be settled between them.
 */
async function goesOn(
  handoff: string,
  source: Device,
  target: Device,
  { logger, passages }: MoveKeeping,
): Promise<boolean> {
  // In this order for the same reason as above.
  if ((await verdictOf(source, handoff)) !== 'serving') return false;
  if ((await verdictOf(target, handoff)) !== 'incomplete') return false;
  const passage = await bringPagesAgain(handoff, source, target, logger);
  // Agents that reach each other need nobody from now on.
  if (passage?.way === 'direct') passage.dispose();
  else if (passage !== undefined) passages.keep(handoff, passage);
  return true;
}

/**
 * A target keeps its word until the source has heard it. The source alone begins to settle, as only it knows whether
 * the handoff is still under way; here it is told only that nobody will ask any more.
 * @returns whether it was told
 */
async function tidyTarget(
  handoff: string,
  source: Device,
  target: Device,
  parties: MoveParties | undefined,
): Promise<boolean> {
  if (source.deviceId !== parties?.source) return false;
  const verdict = await verdictOf(source, handoff);
  if (verdict !== 'unknown') return false;
  await target.request(settleHandoff, { handoff, peerVerdict: verdict });
  return true;
}

/** The other side: by its identity where that is known, else whichever device knows the handoff. */
async function peerOf(
  doubt: Doubt,
  others: readonly Device[],
  parties: MoveParties | undefined,
): Promise<Device | undefined> {
  const reachable = others.filter((each) => each.state.kind === 'connected');
  if (parties !== undefined) {
    const identity = doubt.role === 'source' ? parties.target : parties.source;
    return reachable.find((each) => each.deviceId === identity);
  }
  for (const each of reachable) {
    const verdict = await verdictOf(each, doubt.handoff).catch(() => 'unknown' as const);
    if (verdict !== 'unknown') return each;
  }
  return undefined;
}
