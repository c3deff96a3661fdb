import * as v from 'valibot';
import { text } from './limits.ts';

/**
 * Why an agent could not do what it was asked. People never see the word itself, programs decide by it.
 * `refused` is the verdict of a check: nothing was touched.
 */
export const errorReasons = [
  'invalidRequest',
  'noSuchProcess',
  'noSuchCapsule',
  'capsuleDamaged',
  'notYours',
  'ambiguous',
  'alreadyManaged',
  'busy',
  'refused',
  'notSupported',
  'launchFailed',
  'dumpFailed',
  'restoreFailed',
  'transferFailed',
  'diskFull',
  'cancelled',
  'linkLost',
  'processGone',
  'inDoubt',
  'permission',
  'internal',
] as const;
export type ErrorReason = (typeof errorReasons)[number];

/** What travels with a failed request. `message` is a sentence for people: what failed and why; `remedy` what to do. */
export const errorData = v.object({
  reason: v.picklist(errorReasons),
  message: text,
  remedy: v.optional(text),
  /** Where the full log is kept on the device, for the one click that opens it. */
  logPath: v.optional(text),
});
export type ErrorData = v.InferOutput<typeof errorData>;

/** The error class of the whole contract; thrown by handlers on the agent and by `request` on the client. */
export class FlickError extends Error {
  readonly reason: ErrorReason;
  readonly remedy: string | undefined;
  readonly logPath: string | undefined;

  constructor(
    reason: ErrorReason,
    message: string,
    options: { remedy?: string | undefined; logPath?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'FlickError';
    this.reason = reason;
    this.remedy = options.remedy;
    this.logPath = options.logPath;
  }

  toData(): ErrorData {
    return {
      reason: this.reason,
      message: this.message,
      ...(this.remedy === undefined ? {} : { remedy: this.remedy }),
      ...(this.logPath === undefined ? {} : { logPath: this.logPath }),
    };
  }

  static fromData(data: ErrorData): FlickError {
    return new FlickError(data.reason, data.message, {
      remedy: data.remedy,
      logPath: data.logPath,
    });
  }
}
