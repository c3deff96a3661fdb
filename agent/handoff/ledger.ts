import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { FlickError, handoffId, processId, text, time } from '../../protocol/index.ts';
import { readValidated, syncFolder, writeDurably } from '../state/durable.ts';

/**
 * What this device durably knows of a handoff that has passed its point of no return. A source writes `released` before
 * it tells the target to let the process run; a target writes `running` before the process runs. A handoff without an
 * entry has not been released here, or is over and confirmed.
 */
export const ledgerEntry = v.object({
  version: v.literal(1),
  id: handoffId,
  process: processId,
  role: v.picklist(['source', 'target']),
  verdict: v.picklist(['released', 'running']),
  peer: text,
  at: time,
});
export type LedgerEntry = v.InferOutput<typeof ledgerEntry>;

/** One durable file a handoff. Entries are few and short-lived, so they are all kept in memory too. */
export class HandoffLedger {
  readonly #folder: string;
  readonly #entries = new Map<string, LedgerEntry>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads what an earlier daemon wrote. @returns messages about files that are damaged; those are left alone */
  async load(): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const file of await readdir(this.#folder)) {
      if (!file.endsWith('.json')) continue;
      try {
        const entry = await readValidated(join(this.#folder, file), ledgerEntry);
        if (entry !== undefined) this.#entries.set(entry.id, entry);
      } catch (error) {
        if (!(error instanceof FlickError)) throw error;
        problems.push(error.message);
      }
    }
    return problems;
  }

  get(id: string): LedgerEntry | undefined {
    return this.#entries.get(id);
  }

  forProcess(id: string, role: LedgerEntry['role']): LedgerEntry | undefined {
    return [...this.#entries.values()].find((each) => each.process === id && each.role === role);
  }

  all(): readonly LedgerEntry[] {
    return [...this.#entries.values()];
  }

  /** Durable when it resolves: only then may the message that depends on it be sent. */
  async write(entry: Omit<LedgerEntry, 'version' | 'at'>): Promise<void> {
    const full: LedgerEntry = { version: 1, at: Date.now(), ...entry };
    await writeDurably(this.#path(entry.id), `${JSON.stringify(full)}\n`);
    this.#entries.set(entry.id, full);
  }

  async remove(id: string): Promise<void> {
    if (!this.#entries.delete(id)) return;
    await rm(this.#path(id), { force: true });
    await syncFolder(this.#folder);
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}
