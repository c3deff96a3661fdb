import * as v from 'valibot';
import { bytes, handoffId, pid, text } from '../../protocol/index.ts';
import { images } from '../handoff/messages.ts';

/**
 * What the agent of an ordinary user and the privileged helper say to each other, as frames (common/frames.ts) on the
 * helper's standard input and output. The helper takes nothing from the caller that it would run, read or write by path:
 * a process by PID and start time, a handoff by its id.
 */
export const helperRequest = v.variant('op', [
  v.object({
    op: v.literal('dump'),
    id: handoffId,
    pid,
    /** Start time of the process in clock ticks since boot: a PID alone could be somebody else's by now. */
    startTicks: bytes,
    shellJob: v.boolean(),
    keepConnections: v.boolean(),
    terminalKeys: images.entries.terminalKeys,
  }),
  v.object({ op: v.literal('pin') }),
  v.object({ op: v.literal('verdict'), goOn: v.boolean() }),
  /** Ends a dump that an earlier agent had pinned. */
  v.object({ op: v.literal('settle'), id: handoffId, goOn: v.boolean() }),
]);
export type HelperRequest = v.InferOutput<typeof helperRequest>;

export const helperAnswer = v.variant('type', [
  /** The images' content follows as data, one file after the other. */
  v.object({ type: v.literal('held'), files: images.entries.files }),
  v.object({ type: v.literal('ok') }),
  /** `log` is the end of CRIU's log, empty when it did not come to that. */
  v.object({ type: v.literal('failed'), message: text, log: text }),
]);
export type HelperAnswer = v.InferOutput<typeof helperAnswer>;
