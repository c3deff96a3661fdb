import {
  FlickError,
  resolveDoubt,
  type ParamsOf,
  type ProcessDoubt,
  type ProcessInfo,
} from '../protocol/index.ts';
import type { Device } from './device.ts';
import type { Fleet } from './fleet.ts';

export type DoubtChoice = ParamsOf<typeof resolveDoubt>['choice'];

/** What a doubt is about, in a sentence. `here` is what the person calls the device that the process is in doubt on. */
export function describeDoubt({ what, peer }: ProcessDoubt, here: string): string {
  switch (what) {
    case 'released':
      return `It was passed to ${peer}, which could not be asked since whether it runs there; it stands still on ${here}.`;
    case 'lostThere':
      return `It ran on ${peer} and was lost there; on ${here} stands what it was when it left.`;
    case 'serving':
      return `It runs on ${peer} and still needs memory from ${here}, where it stands still.`;
    case 'stranded':
      return `It runs on ${here} and still needs memory from ${peer}, which does not have it any more.`;
    case 'superseded':
      return `It was started again on ${peer} while ${here} was away; here it stands still.`;
  }
}

/** What a choice risks, in a sentence. */
export function describeRisk(
  { what, peer }: ProcessDoubt,
  choice: DoubtChoice,
  here: string,
): string {
  if (choice === 'gone') {
    switch (what) {
      case 'released':
        return `If it does not run on ${peer} either, it is lost with everything it has in memory.`;
      case 'lostThere':
        return 'It is lost with everything it has in memory.';
      case 'serving':
        return `If it still runs on ${peer}, it stops there for good where memory is missing.`;
      case 'stranded':
      case 'superseded':
        return `What it has done on ${here} is lost.`;
    }
  }
  switch (what) {
    case 'lostThere':
      return `It goes on as it was when it left ${here}: what it did on ${peer} since is lost.`;
    case 'superseded':
      return `Two copies run unless it has been stopped on ${peer}.`;
    default:
      return `If ${peer} comes back with it running, there were two copies until both devices meet; then the one on ${peer} is stopped, and what it did is set aside.`;
  }
}

/**
 * Carries out a person's decision. The devices are given a last chance to settle it by themselves, as nothing is lost
 * then.
 * @returns where it is decided now; `settled` when that was not needed any more
 * @throws {FlickError} `invalidRequest` when the process is not in doubt, or the choice is none for it
 */
export async function decideDoubt(
  fleet: Fleet,
  device: Device,
  id: string,
  choice: DoubtChoice,
): Promise<{ readonly settled: boolean; readonly runsHere: boolean }> {
  const settled = await fleet.settleDoubts(device);
  const processes = await device.listProcesses();
  const info = processes.find((each) => each.id === id);
  if (settled.includes(id) && info?.doubt === undefined) {
    return { settled: true, runsHere: info !== undefined };
  }
  requireChoice(info, choice);
  return { settled: false, ...(await device.request(resolveDoubt, { id, choice })) };
}

/** @throws {FlickError} `invalidRequest` unless the choice is one for the process */
export function requireChoice(
  info: ProcessInfo | undefined,
  choice: DoubtChoice,
): asserts info is ProcessInfo & { readonly doubt: ProcessDoubt } {
  const name = info?.name ?? 'The process';
  if (info?.doubt === undefined) {
    throw new FlickError('invalidRequest', `${name} is not in doubt.`);
  }
  if (info.doubt.choices.includes(choice)) return;
  throw new FlickError(
    'invalidRequest',
    choice === 'runHere' ? `${name} cannot go on here.` : `${name} cannot be given up here.`,
  );
}
