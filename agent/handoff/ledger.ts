import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { FlickError, handoffId, processId, text, time } from '../../protocol/index.ts';
import { readValidated, syncFolder, writeDurably } from '../state/durable.ts';
import { sourceWords, targetWords } from './machine.ts';

const common = {
  version: v.literal(1),
  id: handoffId,
  process: processId,
  peer: text,
  at: time,
};

/**
 * What this device durably says of a handoff that has passed its point of no return: its word in the state machine
 * (docs/handoff.md). A handoff without an entry has not been released here, or is over and confirmed.
 */
export const ledgerEntry = v.variant('role', [
  v.object({ ...common, role: v.literal('source'), verdict: v.picklist(sourceWords) }),
  v.object({
    ...common,
    role: v.literal('target'),
    verdict: v.picklist(targetWords),
    /** The copy runs before all its pages are here. */
    lazy: v.optional(v.boolean()),
  }),
]);
export type LedgerEntry = v.InferOutput<typeof ledgerEntry>;

type Unstamped<E> = E extends unknown ? Omit<E, 'version' | 'at'> : never;

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

  all(): readonly LedgerEntry[] {
    return [...this.#entries.values()];
  }

  /** Durable when it resolves: only then may the message that depends on it be sent. */
  async write(entry: Unstamped<LedgerEntry>): Promise<void> {
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
