import type { ManagedProcess } from '../processes/managedProcess.ts';
import { recoverHomecoming } from '../files/homecomingJournal.ts';
import { endCell } from './letRun.ts';
import type { Copy } from './targetSide.ts';

/**
 * The copy of a process that lives here already, or was found again after this agent was started.
 * @param resume lets it run, where it has not yet
 * @param leave takes the process off this device, where it never ran
 */
export function livingCopy(
  managed: ManagedProcess,
  {
    resume,
    leave,
  }: { readonly resume?: () => Promise<void>; readonly leave?: () => Promise<void> } = {},
): Copy {
  const { cell } = managed;
  return {
    pin: () => Promise.resolve(),
    resume: async () => resume?.(),
    discard: async () => {
      if (cell !== undefined) await endCell(cell, managed.pid);
      if (leave === undefined) {
        await managed.lost('It was given up here.');
        return;
      }
      await recoverHomecoming(managed.folders.journal, 'abort');
      await leave();
    },
    keep: async () => {
      await recoverHomecoming(managed.folders.journal, 'commit');
      await managed.update({ arriving: null });
    },
    stop: async () => cell?.halt(true),
    goOn: async () => cell?.halt(false),
  };
}
