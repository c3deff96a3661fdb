import * as v from 'valibot';
import type { FrameStream } from '../../common/frames.ts';
import {
  bytes,
  errorReasons,
  finding,
  FlickError,
  handoffId,
  pid,
  processFacts,
  text,
} from '../../protocol/index.ts';
import { codecs } from '../memory/batch.ts';
import { maxTerminals } from '../engines/criu/commands.ts';
import { processRecord } from '../processes/record.ts';
import { describeIssues } from '../../common/rpc.ts';

const chunkName = v.object({
  task: v.pipe(v.number(), v.integer(), v.minValue(0)),
  index: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

/**
 * What two agents say to each other on a handoff stream, in this order (docs/architecture.md, "Handoff"):
 * offer → accept | abort; files (running) → placed; advance → ready, where both can; files (frozen), scrollback, images → held;
 * run → running; done; or run → incomplete; memory that was still missing → complete; done. Either side may send `abort` instead, the source until it has sent `run`.
 */
export const travellingProcess = v.pick(processRecord, [
  'id',
  'name',
  'command',
  'cwd',
  'origin',
  'hasTerminal',
  'terminal',
  'home',
  'carry',
  'startedAt',
  'moves',
  'shellJob',
  'terminalIndex',
]);
export type TravellingProcess = v.InferOutput<typeof travellingProcess>;

/** What the two agents speak on a handoff stream; counted up when it changes. */
export const handoffWire = 4;
const wire = v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1);

/** @throws {FlickError} `notSupported` when the other agent is of a build that speaks otherwise */
export function refuseOtherWire(theirs: number): void {
  if (theirs === handoffWire) return;
  throw new FlickError('notSupported', 'The agents of the two devices are of different builds.', {
    remedy:
      'Connect to both with the newest flick that you have; it brings their agents up to date.',
  });
}

export const offer = v.object({
  type: v.literal('offer'),
  wire,
  handoff: handoffId,
  process: travellingProcess,
  facts: processFacts,
  /** User id of the source's agent, and whether the process sits in a user namespace there. */
  senderUid: v.number(),
  userNamespace: v.boolean(),
  /** The stream can be sealed from `accept` on (`FrameStream.seal`); so it is where the answer says so too. */
  sealed: v.optional(v.boolean(), false),
  /** What helps to get ready for the process can be sent while it runs; so it is where the answer wants it. */
  announces: v.optional(v.boolean(), false),
});
export type Offer = v.InferOutput<typeof offer>;

/** What a target has of the process's memory from an earlier move, or one that was broken off. */
export const memoryOffer = v.object({
  label: v.nullable(text),
  applied: v.pipe(v.number(), v.integer(), v.minValue(0)),
  codec: v.picklist(codecs),
});
export type MemoryOffer = v.InferOutput<typeof memoryOffer>;

export const accept = v.object({
  type: v.literal('accept'),
  wire,
  findings: v.array(finding),
  sealed: v.optional(v.boolean(), false),
  /** `advance` is to come after `placed`. */
  getsReady: v.optional(v.boolean(), false),
  /** Without it the memory travels inside the images. */
  memory: v.optional(memoryOffer),
});
/** Batches of memory follow, until the message comes back: what is different while the process runs. */
export const rounds = v.object({
  type: v.literal('rounds'),
  /** How both sides call what they then have in common. */
  label: text,
  /** Both have the image that the target named; else both begin with an empty one. */
  keep: v.boolean(),
});
/** The process waits for these. */
export const want = v.object({
  type: v.literal('want'),
  chunks: v.pipe(v.array(chunkName), v.maxLength(4_096)),
});
/** Nothing of the restore can begin before all memory is there. */
export const wantAll = v.object({ type: v.literal('want-all') });
/** The copy runs before all of its memory is there: the source's original has to stay. */
export const incomplete = v.object({
  type: v.literal('incomplete'),
  pid,
  remarks: v.array(text),
});
/** The target has all memory: the source's original is needed no longer. */
export const complete = v.object({ type: v.literal('complete') });
export const roundsEnd = v.object({ type: v.literal('rounds-end') });
export const got = v.object({
  type: v.literal('got'),
  number: v.pipe(v.number(), v.integer(), v.minValue(0)),
  mistaken: v.pipe(v.array(chunkName), v.maxLength(4_096)),
});
/** All memory was sent. */
export const memoryEnd = v.object({ type: v.literal('memory-end') });
export const placed = v.object({ type: v.literal('placed'), bytes });
export const scrollback = v.object({ type: v.literal('scrollback'), base: bytes, length: bytes });
export const images = v.object({
  type: v.literal('images'),
  /** PID of the tree's root as the capsule has it. */
  root: pid,
  /** `rdev:dev` of the terminals the process had, as CRIU's `--external tty[…]` was given them; empty without one. */
  terminalKeys: v.pipe(
    v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{1,16}:[0-9a-f]{1,16}$/))),
    v.maxLength(maxTerminals),
  ),
  /** The memory is not in the images: batches of it follow, until `memory-end`. */
  memoryApart: v.optional(v.boolean(), false),
  /** Connections inside the tree were kept, not closed. */
  keepConnections: v.boolean(),
  files: v.pipe(
    v.array(
      v.object({
        name: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/)),
        size: bytes,
      }),
    ),
    v.maxLength(100_000),
  ),
});
/**
 * How two agents begin to speak again when the copy runs at the one, which lacks memory that only the other has: fetch,
 * then any number of `need`, need-end; batches of memory and what belongs to them, memory-end, complete, done.
 */
export const fetchMemory = v.object({
  type: v.literal('fetch'),
  wire,
  handoff: handoffId,
  memory: memoryOffer,
});
const mask = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff));
/** Chunks, and the pages of them that are missing, low and high word. */
export const need = v.object({
  type: v.literal('need'),
  chunks: v.pipe(
    v.array(v.object({ ...chunkName.entries, low: mask, high: mask })),
    v.maxLength(4_096),
  ),
});
export const needEnd = v.object({ type: v.literal('need-end') });
export const held = v.object({ type: v.literal('held') });
/** `input`, in base64, was typed while the process stood still; `debugged` says that debug runtimes in it stand by. */
export const run = v.object({
  type: v.literal('run'),
  input: v.pipe(text, v.base64()),
  debugged: v.optional(v.boolean(), false),
  /** Memory is still to come: a target that can is to let the copy run without it. */
  early: v.optional(v.boolean(), false),
});
export type Run = v.InferOutput<typeof run>;
export const running = v.object({ type: v.literal('running'), pid, remarks: v.array(text) });
export type Images = v.InferOutput<typeof images>;
export const done = v.object({ type: v.literal('done') });
export const abort = v.object({
  type: v.literal('abort'),
  reason: v.picklist(errorReasons),
  message: text,
  remedy: v.optional(text),
  logPath: v.optional(text),
  findings: v.optional(v.array(finding)),
});

/** The other side gave up and said why: its own copy does not run and never will. */
export class PeerAborted extends FlickError {}

/**
 * Receives the message of the given kind.
 * @throws {FlickError} what the other side aborted with, or `transferFailed` when something else arrived
 */
export async function expect<S extends v.GenericSchema>(
  frames: Pick<FrameStream, 'receiveJson'>,
  schema: S,
): Promise<v.InferOutput<S>> {
  const value = await frames.receiveJson();
  const aborted = v.safeParse(abort, value);
  if (aborted.success) {
    const { reason, message, remedy, logPath } = aborted.output;
    throw new PeerAborted(reason, message, { remedy, logPath });
  }
  const parsed = v.safeParse(schema, value);
  if (!parsed.success) {
    throw new FlickError(
      'transferFailed',
      `The other device sent something unexpected: ${describeIssues(parsed.issues)}`,
    );
  }
  return parsed.output;
}
