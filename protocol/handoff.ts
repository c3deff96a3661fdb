import * as v from 'valibot';
import { notification, request } from './contract.ts';
import { engineNames } from './device.ts';
import { finding } from './finding.ts';
import {
  bytes,
  handoffId,
  milliseconds,
  pid,
  port,
  processId,
  sha256,
  text,
  ticket,
} from './limits.ts';

/**
 * What the target must know of a process to say whether it can take it, gathered by the source while the process
 * runs. Opaque to the client, which only carries it from one agent to the other; the target validates it itself.
 */
export const processFacts = v.object({ engine: v.picklist(engineNames), document: v.unknown() });
export type ProcessFacts = v.InferOutput<typeof processFacts>;

/** How a move dealt with memory: all of it after the freeze, most of it before, or some after the process ran there. */
export const memoryWays = ['stop-and-copy', 'pre-copy', 'post-copy'] as const;
export type MemoryWay = (typeof memoryWays)[number];

/** What earlier moves between two devices were like, and how much memory the next one is likely to send. */
export const moveExperience = v.object({
  /** Of the link, in bytes a ms. */
  rate: v.pipe(v.number(), v.finite(), v.gtValue(0)),
  pauseMs: milliseconds,
  /** What a move took beside the sending. */
  overheadMs: milliseconds,
  memoryBytes: bytes,
  /** Of this process's last move from here. */
  way: v.optional(v.picklist(memoryWays)),
});
export type MoveExperience = v.InferOutput<typeof moveExperience>;

/** The source's half of a check. Freezes nothing. */
export const checkDeparture = request(
  'check/departure',
  v.object({
    id: processId,
    engine: v.optional(v.picklist(engineNames)),
    /** What the person calls the target. */
    target: v.optional(text),
  }),
  v.object({
    facts: processFacts,
    findings: v.array(finding),
    memoryBytes: bytes,
    fileBytes: bytes,
    /** Absent until something has moved from this device to the target. */
    experience: v.optional(moveExperience),
  }),
);
/** The target's half: compares files, CPU, ports, CRIU and space with the facts. */
export const checkArrival = request(
  'check/arrival',
  v.object({ id: processId, facts: processFacts }),
  v.object({ findings: v.array(finding), missingBytes: bytes }),
);

/**
 * The steps of a handoff in their order; what people read for each is in `handoffStepLabels`. Only after `post-copy` there
 * is `serve`: the process runs, and needs memory from where it was.
 */
export const handoffSteps = [
  'check',
  'copy',
  'freeze',
  'send',
  'restore',
  'commit',
  'resume',
  'serve',
] as const;
export type HandoffStep = (typeof handoffSteps)[number];
export const handoffStepLabels: Readonly<Record<HandoffStep, string>> = {
  check: 'checking both devices',
  copy: 'copying files while it runs',
  freeze: 'freezing it',
  send: 'sending its memory',
  restore: 'restoring it, held',
  commit: 'passing it on',
  resume: 'letting it run',
  serve: 'it runs there, the rest of its memory follows',
};

export const handoffOutcome = v.object({
  handoff: handoffId,
  process: processId,
  /** PID of the process's root on the target. */
  pid,
  /** From the freeze on the source to the first instruction on the target, as the source's clock saw it. */
  downtimeMs: milliseconds,
  totalMs: milliseconds,
  bytesSent: bytes,
  /**
   * How the memory went, in how many rounds, and how much of it there was. Absent for a move whose link broke. After
   * `post-copy`, `missingBytes` were still to come when this was said: the process runs meanwhile, and whoever asks again
   * (`handoff/await`) when all is there is told the figures of all of it.
   */
  memory: v.optional(
    v.object({
      way: v.picklist(memoryWays),
      rounds: v.number(),
      bytes,
      sentBytes: bytes,
      missingBytes: v.optional(bytes, 0),
    }),
  ),
  steps: v.array(v.object({ name: v.picklist(handoffSteps), ms: milliseconds })),
  /** What was lost or decided on the way (closed connections, files kept beside), for the person who moved it. */
  remarks: v.array(text),
});
export type HandoffOutcome = v.InferOutput<typeof handoffOutcome>;

/**
 * How the other agent finds this one for the time of one handoff, and knows it: a TLS 1.3 listener, the SHA-256 of the
 * only certificate that it will show, and with which boot it runs (agents of one machine meet on its loopback).
 */
export const linkOffer = v.object({
  addresses: v.pipe(v.array(v.pipe(v.string(), v.ip())), v.maxLength(16)),
  port,
  fingerprint: sha256,
  bootId: v.pipe(v.string(), v.maxLength(64)),
});
export type LinkOffer = v.InferOutput<typeof linkOffer>;

/**
 * Starts the source's half of a handoff. Where both halves answer with a `link`, the client hands each the other's
 * (`handoff/meet`) and the agents find each other, or go through streams of the client (`handoff/relay`). Otherwise the
 * client joins the stream behind `ticket` with the one that `handoff/receive` of the target gave; if that stream breaks,
 * so does the handoff. An agent that knows no links answers without one.
 */
export const sendProcess = request(
  'handoff/send',
  v.object({
    handoff: handoffId,
    id: processId,
    /** What the person calls the two devices, for messages. */
    source: text,
    target: text,
    /** Go on in spite of findings that only warn. Findings that block are never overridden. */
    acceptWarnings: v.optional(v.boolean()),
    link: v.optional(v.boolean()),
    /** How its memory is to go, where the devices can do it so; `auto` goes by what the link and the process are like. */
    memory: v.optional(v.picklist(['auto', ...memoryWays])),
    engine: v.optional(v.picklist(engineNames)),
  }),
  v.object({ ticket, link: v.optional(linkOffer) }),
);
export const receiveProcess = request(
  'handoff/receive',
  v.object({
    handoff: handoffId,
    id: processId,
    source: text,
    target: text,
    link: v.optional(v.boolean()),
  }),
  v.object({ ticket, link: v.optional(linkOffer) }),
);
/**
 * The two agents meet again: at the source stands the original whose memory a copy that runs already lacks, at the target
 * runs that copy. The client brings them together as it does for a move. Fails with `invalidRequest` where nothing is
 * served or missing (any more).
 */
export const serveMemory = request(
  'handoff/serve',
  v.object({ handoff: handoffId }),
  v.object({ link: v.optional(linkOffer) }),
);
export const fetchMissing = request(
  'handoff/fetch',
  v.object({ handoff: handoffId }),
  v.object({ link: v.optional(linkOffer) }),
);
/**
 * Tells one agent how to find and know the other. With `dial` it tries to reach it, and from then on sees to it that
 * they are connected again whenever the link breaks; without, it waits to be reached.
 * @returns whether they are connected
 */
export const meetPeer = request(
  'handoff/meet',
  v.object({ handoff: handoffId, peer: linkOffer, dial: v.boolean() }),
  v.object({ connected: v.boolean() }),
);
/** A stream through the client as the link of a handoff: the first one, or the next one after a link was lost. */
export const relayHandoff = request(
  'handoff/relay',
  v.object({ handoff: handoffId }),
  v.object({ ticket }),
);
/** The other agent knows nothing of the handoff any more: nobody needs to wait for a link. */
export const abandonLink = request(
  'handoff/abandonLink',
  v.object({ handoff: handoffId }),
  v.object({}),
);
/** Answers when the handoff is over; fails with the error that ended it, the process then runs on the source. */
export const awaitHandoff = request(
  'handoff/await',
  v.object({ handoff: handoffId }),
  handoffOutcome,
);
/** Cancels until the release; after it, answers `false` and the move goes through. */
export const cancelHandoff = request(
  'handoff/cancel',
  v.object({ handoff: handoffId }),
  v.object({ cancelled: v.boolean() }),
);
export const handoffProgress = notification(
  'handoff/progress',
  v.object({
    handoff: handoffId,
    process: processId,
    step: v.picklist(handoffSteps),
    doneBytes: bytes,
    totalBytes: bytes,
  }),
);

/**
 * What one side durably knows of a handoff, for the client that settles one which was interrupted (docs/handoff.md).
 * `unknown`: there is no record of it; `held`: not decided, ask again. A source says `released` while its original stands
 * still, `serving` while the target fetches pages from it, `claimed` when a person let it run there; a target says
 * `incomplete` or `running` once its copy has run, `aborted` when it never did, `superseded` when it stands still since
 * the source has claimed it. `lost`: what there was is gone. `done`: the other side is told that nobody asks any more.
 */
export const handoffVerdicts = [
  'unknown',
  'aborted',
  'released',
  'held',
  'incomplete',
  'running',
  'serving',
  'claimed',
  'superseded',
  'lost',
  'done',
] as const;
export type HandoffVerdict = (typeof handoffVerdicts)[number];
export const queryHandoff = request(
  'handoff/query',
  v.object({ handoff: handoffId }),
  v.object({ verdict: v.picklist(handoffVerdicts) }),
);
/** Handoffs that ended in doubt on this device. */
export const listDoubts = request(
  'handoff/doubts',
  v.object({}),
  v.object({
    doubts: v.array(
      v.object({
        handoff: handoffId,
        process: processId,
        role: v.picklist(['source', 'target']),
        peer: text,
      }),
    ),
  }),
);
/** Tells one side what the other durably says. @returns whether the process runs here */
export const settleHandoff = request(
  'handoff/settle',
  v.object({ handoff: handoffId, peerVerdict: v.picklist(handoffVerdicts) }),
  v.object({ runsHere: v.boolean() }),
);
/**
 * A person decides about a process in doubt, since the other device is gone: it runs here, or what is here is given up.
 * Durable. Fails with `invalidRequest` when the choice is none of `ProcessInfo.doubt.choices`.
 */
export const resolveDoubt = request(
  'handoff/resolve',
  v.object({ id: processId, choice: v.picklist(['runHere', 'gone']) }),
  v.object({ runsHere: v.boolean() }),
);
