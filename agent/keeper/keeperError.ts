import { constants } from 'node:os';
import type { FailureStage } from './keeperMessages.ts';

/**
 * `setup`: the cell could not be made; `connect`: there is no keeper in the folder; `closed`: the keeper went away
 * before it answered; `refused`: it answered with an error.
 */
export type KeeperErrorReason = 'setup' | 'connect' | 'closed' | 'refused';

export class KeeperError extends Error {
  override readonly name = 'KeeperError';
  readonly reason: KeeperErrorReason;
  /** Name of the errno of a refused request (`ENOENT`), if it has one. */
  readonly code: string | undefined;
  /** What the keeper was at when it failed: entering the working directory, executing, or before. */
  readonly stage: FailureStage;

  constructor(
    reason: KeeperErrorReason,
    message: string,
    details: {
      readonly code?: string | undefined;
      readonly stage?: FailureStage;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.reason = reason;
    this.code = details.code;
    this.stage = details.stage ?? 'none';
  }
}

/** The name of an errno number of this machine. */
export function errnoName(number: number): string | undefined {
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0];
}
