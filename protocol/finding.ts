import * as v from 'valibot';
import { pid, text } from './limits.ts';

/**
 * What a check can find. One code per cause of a failed dump or restore (see agent/engines/criu/README.md for the
 * table of causes, how each is seen beforehand, and its remedy), and per thing a person should know before a move.
 */
export const causes = [
  'ioUring',
  'criuMissing',
  'criuTooOld',
  'criuBroken',
  'permission',
  'otherUser',
  'traced',
  'unixSocket',
  'terminal',
  'leakedDescriptor',
  'connection',
  'networkLock',
  'pidTaken',
  'fileDiffers',
  'fileMissing',
  'fileDeleted',
  'inotify',
  'cpu',
  'architecture',
  'device',
  'unsupportedObject',
  'supervised',
  'portTaken',
  'addressAbsent',
  'diskSpace',
  'userIds',
  'packageRoot',
  'notLeader',
  'frozenTask',
  'namespace',
  'processGone',
  'userNamespaces',
  'notNode',
  'program',
  'dropped',
] as const;
export type Cause = (typeof causes)[number];

/** `blocks` forbids the move, `warns` tells what is lost or uncertain, `notes` is worth knowing. */
export const severities = ['blocks', 'warns', 'notes'] as const;

/** One result of a check: `what` says what stands in the way or will happen, `remedy` what to do about it. */
export const finding = v.object({
  cause: v.picklist(causes),
  severity: v.picklist(severities),
  side: v.picklist(['source', 'target']),
  what: text,
  remedy: v.optional(text),
  pid: v.optional(pid),
});
export type Finding = v.InferOutput<typeof finding>;

/** True when at least one finding forbids the move. */
export function blocks(findings: readonly Finding[]): boolean {
  return findings.some((each) => each.severity === 'blocks');
}
