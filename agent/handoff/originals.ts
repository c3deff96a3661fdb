import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../common/logger.ts';
import { settleThroughHelper } from '../helper/helperClient.ts';
import { Cell, type HeldJob } from '../processes/cell.ts';
import { imagesFolder, removeTree } from '../processes/cells.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { readTree } from '../processes/tree.ts';
import type { SourceWord } from './machine.ts';
import type { Original } from './sourceSide.ts';

/** What is left of a process that was on its way when an earlier daemon ended. */
export interface FoundOriginal {
  readonly stands: 'held' | 'runs' | 'gone' | 'left';
  readonly original?: Original;
}

/** Images of a process outside any cell, and the keeper that dumps it, lie in a folder that names the handoff. */
const guardFolder = /^guard-(h-[a-z0-9]+)$/;

export async function findOriginal(
  managed: ManagedProcess | undefined,
  handoff: string,
  word: SourceWord,
  logger: Logger,
): Promise<FoundOriginal> {
  if (managed === undefined) return { stands: 'left' };
  if (!managed.isLive) return { stands: 'gone' };
  const decided = word === 'aborted' || word === 'claimed';
  if (managed.record.cell === null && process.getuid?.() !== 0) {
    // Told to let it run once more, the helper finds nothing to do.
    const original = helped(managed, handoff);
    return { stands: 'held', original };
  }
  const guard = await guardOf(managed, handoff, logger);
  const pending = await (managed.cell ?? guard)?.pendingHold();
  if (pending?.kind === 'dump') {
    return { stands: 'held', original: heldBy(managed, pending.job, guard) };
  }
  return decided ? { stands: 'runs' } : { stands: 'held', original: halted(managed) };
}

/** Lets a process run on that stands still without any word of its handoff: it was never released. */
export async function freeUnreleased(managed: ManagedProcess, logger: Logger): Promise<void> {
  if (!managed.isLive) return;
  if (managed.cell !== undefined) {
    const pending = await managed.cell.pendingHold();
    if (pending?.kind === 'dump') await heldBy(managed, pending.job, undefined).abort();
    return;
  }
  for (const name of await readdir(managed.folders.root)) {
    const [, handoff] = guardFolder.exec(name) ?? [];
    if (handoff === undefined) continue;
    const guard = await guardOf(managed, handoff, logger);
    const pending = await guard?.pendingHold();
    if (pending?.kind === 'dump') await heldBy(managed, pending.job, guard).abort();
    else if (process.getuid?.() !== 0) await helped(managed, handoff).abort();
  }
}

async function guardOf(
  managed: ManagedProcess,
  handoff: string,
  logger: Logger,
): Promise<Cell | undefined> {
  if (managed.record.cell !== null) return undefined;
  const folder = join(managed.folders.root, `guard-${handoff}`);
  return Cell.reconnect(folder, 0, undefined, logger);
}

function heldBy(managed: ManagedProcess, job: HeldJob, guard: Cell | undefined): Original {
  const end = async (goOn: boolean): Promise<void> => {
    await job.verdict(goOn);
    await guard?.shutdown();
    if (managed.record.cell === null) return;
    if (managed.cell !== undefined) await removeTree(imagesFolder(managed.cell.folder));
  };
  return { pin: () => job.pin(), abort: () => end(false), release: () => end(true) };
}

/** Held by a keeper that only root reaches. */
function helped(managed: ManagedProcess, handoff: string): Original {
  const end = async (goOn: boolean): Promise<void> => {
    try {
      await settleThroughHelper(handoff, goOn);
    } finally {
      await removeTree(join(managed.folders.root, `guard-${handoff}`));
    }
  };
  return { pin: () => Promise.resolve(), abort: () => end(false), release: () => end(true) };
}

/** The CRIU that held it is gone although it was released: what was pinned is stopped (agent/keeper/README.md). */
function halted(managed: ManagedProcess): Original {
  const signal = async (name: 'SIGKILL' | 'SIGCONT'): Promise<void> => {
    if (managed.pid === undefined) return;
    const tree = await readTree(managed.pid);
    for (const { pid } of tree?.processes ?? []) {
      try {
        process.kill(pid, name);
      } catch {
        // It has ended by itself.
      }
    }
  };
  return {
    pin: () => Promise.resolve(),
    abort: () => signal('SIGCONT'),
    release: () => signal('SIGKILL'),
  };
}
