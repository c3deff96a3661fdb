import * as v from 'valibot';
import {
  absolutePath,
  exitStatus,
  handoffId,
  name,
  pid,
  processId,
  terminalSize,
  text,
  time,
} from '../../protocol/index.ts';

/** The cell that a process lives in on this device. */
export const cellRecord = v.object({
  /** Number of this cell among those the process has had here: names its folder. */
  number: v.number(),
  keeperPid: pid,
  /** Id that the cell's user namespace maps to the agent's user; null when the cell has none (root). */
  userNamespace: v.nullable(v.object({ uid: v.number(), gid: v.number() })),
  /** True when the process's files live in a writable layer of the cell (away from home). */
  layered: v.boolean(),
});
export type CellRecord = v.InferOutput<typeof cellRecord>;

/** A process of the host that was adopted and has not moved yet. Start ticks tell it from a later process of its PID. */
export const adoptedRecord = v.object({ pid, startTicks: v.number() });

/** What this device durably knows of one process. Lives in `processes/ID/record.json`. */
export const processRecord = v.object({
  version: v.literal(1),
  id: processId,
  name,
  command: v.array(text),
  cwd: text,
  origin: v.picklist(['launched', 'adopted']),
  hasTerminal: v.boolean(),
  terminal: terminalSize,
  home: v.object({ deviceId: text, hostName: text, user: text }),
  carry: v.array(absolutePath),
  startedAt: time,
  moves: v.number(),
  /** Its session leader is a shell outside its tree, so every dump and restore needs CRIU's `--shell-job`. */
  shellJob: v.boolean(),
  /** Number of its terminal below /dev/pts: 0, but what it was for the job of somebody's shell. */
  terminalIndex: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1023)),
  bootId: text,
  cell: v.nullable(cellRecord),
  adopted: v.nullable(adoptedRecord),
  exit: v.nullable(exitStatus),
  lost: v.nullable(text),
  remark: v.nullable(text),
  /** The handoff that brought it, until the source has confirmed; without a `running` in the ledger it never ran here. */
  arriving: v.nullable(handoffId),
});
export type ProcessRecord = v.InferOutput<typeof processRecord>;
