import * as v from 'valibot';
import { request } from './contract.ts';
import { pid, processId, text, ticket } from './limits.ts';

/** A Node.js process inside a managed process: what a debugger can attach to. */
export const debuggee = v.object({
  /** As the device sees it. */
  pid,
  /** As the process sees itself; the same on every device. */
  innerPid: pid,
  command: text,
});
export type Debuggee = v.InferOutput<typeof debuggee>;

/** The Node.js processes of a managed process's tree, the root first. */
export const listDebuggees = request(
  'debug/list',
  v.object({ id: processId }),
  v.object({ debuggees: v.array(debuggee) }),
);

/**
 * Loads the debug runtime into a Node.js process if it is not there, and opens a stream to it that begins with
 * `RuntimeHello` (debugRuntime.ts). `innerPid` chooses among several Node.js processes of the tree; by default the first one.
 * Rejects with `notSupported` for a process that is no Node.js or handles SIGUSR1 itself, `busy` while it stands still
 * for a move.
 */
export const attachDebugger = request(
  'debug/attach',
  v.object({ id: processId, innerPid: v.optional(pid) }),
  v.object({ ticket, debuggee }),
);

/** The runtime's answer, one line; afterwards both sides send lines of common/resumableChannel.ts. */
export const runtimeWelcome = v.variant('ok', [
  v.object({
    ok: v.literal(true),
    version: v.number(),
    token: v.string(),
    /** Number of the last message that the runtime received in this session. */
    received: v.number(),
    /** False when the session asked for has ended meanwhile: everything in it is gone, this is a new one. */
    resumed: v.boolean(),
    /** As the process sees itself. */
    pid: v.number(),
    node: v.string(),
    arch: v.string(),
    platform: v.string(),
    title: v.string(),
    argv: v.array(v.string()),
    cwd: v.string(),
    /** True when the process was launched to be debugged and waits for `Flick.start` before its first line. */
    waiting: v.boolean(),
  }),
  v.object({ ok: v.literal(false), why: text }),
]);
export type RuntimeWelcome = Extract<v.InferOutput<typeof runtimeWelcome>, { ok: true }>;
