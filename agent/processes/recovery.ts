import type { Logger } from '../../common/logger.ts';
import type { HandoffLedger } from '../handoff/ledger.ts';
import { readAppEndRecord } from '../keeper/keeperRecords.ts';
import { isAlive } from './adoption.ts';
import { Cell } from './cell.ts';
import { cellFolder } from './cells.ts';
import type { ManagedProcess } from './managedProcess.ts';
import { signalName } from './signals.ts';

export interface RecoveryOptions {
  readonly bootId: string;
  readonly ledger: HandoffLedger;
  readonly logger: Logger;
}

/** What became of a process while no daemon ran: `arrivedNever` and `departed` processes are none of this device. */
export type Recovered =
  | { readonly kind: 'stays' }
  | { readonly kind: 'lives'; readonly cell: Cell; readonly pid: number }
  | { readonly kind: 'livesOutside'; readonly pid: number }
  | { readonly kind: 'arrivedNever'; readonly cell: Cell | undefined }
  | { readonly kind: 'departed' };

/** Finds a process of an earlier daemon again through its keeper, or what its keeper wrote down. */
export async function recover(
  managed: ManagedProcess,
  { bootId, ledger, logger }: RecoveryOptions,
): Promise<Recovered> {
  const { record } = managed;
  if (!managed.isLive) return { kind: 'stays' };
  const rebooted = record.bootId !== bootId;
  const { arriving } = record;
  const cell =
    record.cell === null || rebooted
      ? undefined
      : await Cell.reconnect(
          cellFolder(managed.folders, record.cell.number),
          record.cell.keeperPid,
          record.cell.userNamespace ?? undefined,
          logger,
        );
  const word = arriving === null ? undefined : ledger.get(arriving)?.verdict;
  if (arriving !== null && (word === undefined || word === 'aborted')) {
    return { kind: 'arrivedNever', cell };
  }
  // It was given to this device, which cannot have let it run for longer than that takes: the source still has its own.
  const isNew = word === 'accepted';
  if (isNew && rebooted) return { kind: 'arrivedNever', cell };
  if (rebooted) {
    await managed.lost(
      'The device was restarted while it ran here; a process does not survive that.',
    );
    return { kind: 'stays' };
  }
  if (record.adopted !== null && record.cell === null) {
    if (await isAlive(record.adopted)) return { kind: 'livesOutside', pid: record.adopted.pid };
    await managed.ended({ exitCode: null, signal: null });
    return { kind: 'stays' };
  }
  if (cell !== undefined) {
    try {
      return { kind: 'lives', cell, pid: await cell.appPid() };
    } catch {
      // It ended this very moment: the keeper’s record says how.
      cell.dispose();
    }
  }
  const end = await readEnd(managed);
  return end ?? (isNew ? { kind: 'arrivedNever', cell: undefined } : killed(managed));
}

async function readEnd(managed: ManagedProcess): Promise<Recovered | undefined> {
  const number = managed.record.cell?.number;
  const end =
    number === undefined ? undefined : await readAppEndRecord(cellFolder(managed.folders, number));
  switch (end?.kind) {
    case 'departed':
      return { kind: 'departed' };
    case 'code':
      await managed.ended({ exitCode: end.code, signal: null });
      return { kind: 'stays' };
    case 'signal':
      await managed.ended({ exitCode: null, signal: signalName(end.signal) });
      return { kind: 'stays' };
    case undefined:
      return undefined;
  }
}

async function killed(managed: ManagedProcess): Promise<Recovered> {
  await managed.lost('Its keeper was killed while no agent ran, and the process with it.');
  return { kind: 'stays' };
}
