import * as v from 'valibot';
import { notification, request } from './contract.ts';
import {
  bytes,
  capsuleId,
  handoffId,
  milliseconds,
  name,
  processId,
  sha256,
  text,
  time,
} from './limits.ts';
import { engineNames } from './device.ts';
import { listeningPort, processInfo } from './process.ts';

/** A process at rest in the store of a device, as a list shows it. */
export const capsuleInfo = v.object({
  id: capsuleId,
  name,
  savedAt: time,
  /** Where it was saved. */
  device: v.object({ deviceId: text, hostName: text }),
  /** What was saved, as it was called then. */
  process: v.object({ id: processId, name, command: v.array(text), cwd: text }),
  /** The capsule that the process was saved to before, or restored from; it may be gone. */
  parent: v.nullable(capsuleId),
  engine: v.picklist(engineNames),
  /** Memory, files and scrollback in bytes, before compression and however much of it other capsules share. */
  sizeBytes: bytes,
});
export type CapsuleInfo = v.InferOutput<typeof capsuleInfo>;

export const capsuleDetails = v.object({
  ...capsuleInfo.entries,
  /** How long the process stood still while it was saved. */
  pauseMs: milliseconds,
  /** What a device needs to restore it. */
  needs: v.object({ architecture: text, kernel: text }),
  ports: v.array(listeningPort),
  /** Bytes of the images, and of files and their number. */
  imageBytes: bytes,
  fileBytes: bytes,
  files: v.number(),
  /** The largest files, 100 at most. */
  largestFiles: v.array(v.object({ path: text, size: bytes, sha256 })),
  /** Bytes on the disk that no other capsule needs. */
  ownBytes: bytes,
});
export type CapsuleDetails = v.InferOutput<typeof capsuleDetails>;

/** Saves a process that runs, which then goes on. `operation` names it in `capsule/progress`. */
export const saveCapsule = request(
  'capsule/save',
  v.object({ operation: handoffId, process: processId, name: v.optional(name) }),
  v.object({ capsule: capsuleInfo, pauseMs: milliseconds, totalMs: milliseconds }),
);
export const listCapsules = request(
  'capsule/list',
  v.object({}),
  v.object({
    capsules: v.array(capsuleInfo),
    /** Those whose manifest cannot be read, with the reason for people; they can only be removed. */
    damaged: v.array(v.object({ id: capsuleId, why: text })),
  }),
);
export const showCapsule = request(
  'capsule/show',
  v.object({ capsule: capsuleId }),
  capsuleDetails,
);
/** Makes another process out of a capsule: with an id and a layer for its files of its own. */
export const restoreCapsule = request(
  'capsule/restore',
  v.object({ operation: handoffId, capsule: capsuleId, name: v.optional(name) }),
  v.object({ process: processInfo, totalMs: milliseconds, remarks: v.array(text) }),
);
export const removeCapsule = request(
  'capsule/remove',
  v.object({ capsule: capsuleId }),
  v.object({}),
);

/** The capsules of the device are not the same any more. */
export const capsulesChanged = notification('capsule/changed', v.object({}));

/** The steps of saving (all but the last) and restoring; what people read for each is in `capsuleStepLabels`. */
export const capsuleSteps = ['copy', 'freeze', 'store', 'restore'] as const;
export type CapsuleStep = (typeof capsuleSteps)[number];
export const capsuleStepLabels: Readonly<Record<CapsuleStep, string>> = {
  copy: 'copying files while it runs',
  freeze: 'taking its memory',
  store: 'storing it; the process goes on',
  restore: 'restoring it',
};
export const capsuleProgress = notification(
  'capsule/progress',
  v.object({
    operation: handoffId,
    step: v.picklist(capsuleSteps),
    doneBytes: bytes,
    totalBytes: bytes,
  }),
);
