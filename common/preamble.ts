import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import { agentHello, text, ticket, type AgentHello } from '../protocol/index.ts';
import { readLine, writeLine } from './lines.ts';

/**
 * Every connection to an agent begins with one line of JSON from the client and one from the agent. These lines are
 * the same in every version, so that agents and clients of different builds understand each other well enough to
 * upgrade:
 * - `{"flick":"control"}` → the agent's hello; then JSON-RPC.
 * - `{"flick":"stream","ticket":T}` → `{"ok":true}` or `{"ok":false,"why":…}`; then raw bytes.
 * - `{"flick":"shutdown"}` → the hello; the daemon ends once no handoff is under way, its processes go on.
 */
export const preamble = v.variant('flick', [
  v.object({ flick: v.literal('control') }),
  v.object({ flick: v.literal('stream'), ticket }),
  v.object({ flick: v.literal('shutdown') }),
]);
export type Preamble = v.InferOutput<typeof preamble>;

const streamAnswer = v.object({ ok: v.boolean(), why: v.optional(text) });

/** Begins a control connection. @throws when the other end is no agent of any version. */
export async function greet(stream: Duplex): Promise<AgentHello> {
  writeLine(stream, { flick: 'control' } satisfies Preamble);
  return v.parse(agentHello, JSON.parse(await readLine(stream)));
}

/** Begins a bulk stream. @throws with the agent's reason when it refuses the ticket. */
export async function presentTicket(stream: Duplex, value: string): Promise<void> {
  writeLine(stream, { flick: 'stream', ticket: value } satisfies Preamble);
  const answer = v.parse(streamAnswer, JSON.parse(await readLine(stream)));
  if (!answer.ok) throw new Error(answer.why ?? 'The agent refused the stream.');
}
