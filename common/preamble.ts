import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import { agentHello, text, ticket, type AgentHello } from '../protocol/index.ts';

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

/** Longest line that is accepted, in bytes: a stranger cannot make either end hold more than this. */
const maxLine = 16_384;

/**
 * Reads one line and leaves the stream paused at the byte after it.
 * @throws when the stream ends first, the line is too long, or `timeoutMs` passes.
 */
export async function readLine(stream: Duplex, timeoutMs = 20_000): Promise<string> {
  let received = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => finish(new Error('The other end did not answer in time.')),
      timeoutMs,
    );
    const finish = (result: Error | string): void => {
      clearTimeout(timer);
      stream.off('readable', onReadable);
      stream.off('end', onEnd);
      stream.off('error', finish);
      stream.off('close', onEnd);
      if (typeof result === 'string') resolve(result);
      else reject(result);
    };
    const onEnd = (): void => finish(new Error('The other end closed the connection.'));
    const onReadable = (): void => {
      for (;;) {
        const chunk: unknown = stream.read();
        if (!Buffer.isBuffer(chunk)) return;
        received = Buffer.concat([received, chunk]);
        const end = received.indexOf(0x0a);
        if (end < 0 && received.length <= maxLine) continue;
        if (end < 0 || end > maxLine) {
          finish(new Error('The other end sent a line that is too long.'));
          return;
        }
        stream.off('readable', onReadable);
        const rest = received.subarray(end + 1);
        if (rest.length > 0) stream.unshift(rest);
        finish(received.subarray(0, end).toString('utf8'));
        return;
      }
    };
    stream.on('readable', onReadable);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
    stream.on('error', finish);
    onReadable();
  });
}

export function writeLine(stream: Duplex, value: unknown): void {
  stream.write(`${JSON.stringify(value)}\n`);
}

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
