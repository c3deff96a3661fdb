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

type Doubt = ResultOf<typeof listDoubts>['doubts'][number];

/** Where the process runs after a handoff was settled. */
export type Settlement = 'source' | 'target';

/**
 * Brings both sides of an interrupted handoff to one verdict. What the target has durably written decides: from its
 * `running` on the process is its own, and until then the source takes the release back.
 * @param parties who took part, where this client made the move. A side that knows nothing is believed only if it is
 * known to be the one that took part: otherwise two copies could run.
 * @returns undefined when neither side has anything to decide
 * @throws {FlickError} `inDoubt` when the right device is not there; an error of the link when one side cannot be asked.
 * Nothing is decided then.
 */
export async function settleHandoffBetween(
  handoff: string,
  source: Device,
  target: Device,
  parties: MoveParties | undefined,
): Promise<Settlement | undefined> {
  const [here, there] = await Promise.all([verdictOf(source, handoff), verdictOf(target, handoff)]);
  if (here === 'unknown') {
    if (there === 'unknown') return undefined;
    if (source.deviceId !== parties?.source) throw wrongDevice(source);
    await target.request(settleHandoff, { handoff, peerVerdict: here });
    return there === 'running' || there === 'done' ? 'target' : 'source';
  }
  if (there === 'unknown' && target.deviceId !== parties?.target) throw wrongDevice(target);
  const { runsHere } = await source.request(settleHandoff, { handoff, peerVerdict: there });
  // The target need not keep its word any longer; an entry that stays there does no harm.
  if (!runsHere) {
    await target.request(settleHandoff, { handoff, peerVerdict: 'done' }).catch(() => undefined);
  }
  return runsHere ? 'source' : 'target';
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
  { logger, notes }: MoveKeeping,
): Promise<readonly string[]> {
  const { doubts } = await device.request(listDoubts, {});
  const settled: string[] = [];
  for (const doubt of doubts) {
    const { handoff } = doubt;
    try {
      const parties = await notes.read(handoff);
      const peer = await peerOf(doubt, others, parties);
      if (peer === undefined) continue;
      if (doubt.role === 'target') {
        await tidyTarget(handoff, peer, device, parties);
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
 * A target keeps its word until the source has heard it. The source alone begins to settle, as only it knows whether
 * the handoff is still under way; here it is told only that nobody will ask any more.
 */
async function tidyTarget(
  handoff: string,
  source: Device,
  target: Device,
  parties: MoveParties | undefined,
): Promise<void> {
  if (source.deviceId !== parties?.source) return;
  const verdict = await verdictOf(source, handoff);
  if (verdict === 'unknown') await target.request(settleHandoff, { handoff, peerVerdict: verdict });
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
