import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { Logger } from '../common/logger.ts';
import { handoffId, text } from '../protocol/index.ts';
import type { Passages } from './passages.ts';

/** How long a note is kept that nobody has removed, in ms. */
const kept = 180 * 24 * 3_600_000;

const note = v.object({ version: v.literal(1), source: text, target: text });

/** The two devices of a move by their agents' own identities (`AgentHello.deviceId`). */
export interface MoveParties {
  readonly source: string;
  readonly target: string;
}

/** What moves and their settlement write to. */
export interface MoveKeeping {
  readonly logger: Logger;
  readonly notes: MoveNotes;
  /** Connections of agents that memory goes on to follow on, by their handoffs. */
  readonly passages: Passages;
}

/**
 * Which devices took part in a move, kept until it is over. A device that knows nothing of an interrupted move tells
 * something only if it is the very device that took part: names can be given to other machines in the meantime.
 */
export class MoveNotes {
  readonly #folder: string;

  constructor(home: string) {
    this.#folder = join(home, 'moves');
  }

  async write(handoff: string, parties: MoveParties): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await this.#forgetOld();
    const path = this.#path(handoff);
    await writeFile(`${path}.part`, `${JSON.stringify({ version: 1, ...parties })}\n`, {
      mode: 0o600,
    });
    await rename(`${path}.part`, path);
  }

  /** @returns undefined when this client did not make the move, or the note cannot be read */
  async read(handoff: string): Promise<MoveParties | undefined> {
    try {
      const parsed = v.safeParse(note, JSON.parse(await readFile(this.#path(handoff), 'utf8')));
      return parsed.success ? parsed.output : undefined;
    } catch {
      return undefined;
    }
  }

  async remove(handoff: string): Promise<void> {
    await rm(this.#path(handoff), { force: true });
  }

  /** Who takes part in a move whose memory follows later, or who meets nobody again, has the note for long. */
  async #forgetOld(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      const written = (await stat(path).catch(() => undefined))?.mtimeMs ?? Infinity;
      if (Date.now() - written > kept) await rm(path, { force: true });
    }
  }

  #path(handoff: string): string {
    return join(this.#folder, `${v.parse(handoffId, handoff)}.json`);
  }
}
