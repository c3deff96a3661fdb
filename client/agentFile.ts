import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../common/rpc.ts';
import { FlickError } from '../protocol/index.ts';

/** The one file that is the agent, as this client carries it. Read when it is first needed. */
export class AgentFile {
  readonly path: string;
  #content: { readonly bytes: Buffer; readonly sha256: string } | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** SHA-256 in lower-case hexadecimal, which `AgentHello.build` is compared with. */
  get sha256(): string {
    return this.#read().sha256;
  }

  /** @throws {FlickError} `internal` when the file cannot be read */
  get bytes(): Buffer {
    return this.#read().bytes;
  }

  #read(): { readonly bytes: Buffer; readonly sha256: string } {
    if (this.#content !== undefined) return this.#content;
    try {
      const bytes = readFileSync(this.path);
      this.#content = { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
      return this.#content;
    } catch (error) {
      throw new FlickError('internal', `The agent file cannot be read: ${messageOf(error)}`, {
        remedy: 'This installation of Flick is not complete: install or build it again.',
        cause: error,
      });
    }
  }
}

/**
 * A file that comes with Flick: the one that `variable` names, else `name` beside the running bundle.
 * @param bundle path of the running bundle
 * @returns undefined when there is none
 */
export function shippedFile(
  bundle: string,
  name: string,
  variable: string,
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const chosen = environment[variable];
  const path = chosen === undefined || chosen === '' ? join(dirname(bundle), name) : chosen;
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true ? path : undefined;
}

/** The agent that comes with the running bundle: `agent.cjs` beside it, or what `FLICK_AGENT_FILE` names. */
export function findAgentFile(
  bundle: string,
  environment: NodeJS.ProcessEnv = process.env,
): AgentFile {
  const name = 'agent.cjs';
  const path = shippedFile(bundle, name, 'FLICK_AGENT_FILE', environment);
  // A file that is missing is reported when it is needed: much works without.
  return new AgentFile(path ?? environment['FLICK_AGENT_FILE'] ?? join(dirname(bundle), name));
}
