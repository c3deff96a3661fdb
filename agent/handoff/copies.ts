import type { HeldJob } from '../processes/cell.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import type { Processes } from '../processes/processes.ts';
import { letRun } from './letRun.ts';
import { livingCopy } from './livingCopy.ts';
import type { TargetEvent, TargetWord } from './machine.ts';
import type { Copy } from './targetSide.ts';

type Restart = Extract<TargetEvent, { type: 'restart' }>;

/** What is left of a process that came by a handoff, when an earlier daemon ended. */
export interface FoundCopy {
  readonly survivor: Restart['copy'];
  readonly kept: boolean;
  readonly copy?: Copy;
}

export async function findCopy(
  managed: ManagedProcess | undefined,
  handoff: string,
  word: TargetWord,
  processes: Processes,
): Promise<FoundCopy> {
  // Without a record: it never ran here and was taken down, or it ran and has gone on to another device.
  if (managed === undefined)
    return { survivor: word === 'accepted' ? 'gone' : 'ended', kept: true };
  const { record } = managed;
  const kept = record.arriving !== handoff;
  const copy = livingCopy(managed);
  if (record.lost !== null) return { survivor: 'gone', kept, copy };
  if (record.exit !== null) return { survivor: 'ended', kept, copy };
  const pending = kept ? undefined : await managed.cell?.pendingHold();
  if (pending?.kind !== 'restore') return { survivor: 'runs', kept, copy };
  return { survivor: 'held', kept, copy: restoring(managed, pending.job, processes) };
}

function restoring(managed: ManagedProcess, job: HeldJob, processes: Processes): Copy {
  return livingCopy(managed, {
    resume: () => letRun(() => job.verdict(true)),
    leave: () => processes.leave(managed),
  });
}
