import { messageOf } from '../common/rpc.ts';
import { FlickError, type Finding } from '../protocol/index.ts';
import { formatFindings } from './findings.ts';
import { escapeLines } from './text.ts';

/** Exit statuses of every command. */
export const exitStatuses = { done: 0, failed: 1, usage: 2, refused: 3 } as const;

/** The command line was not understood. */
export class UsageError extends Error {}

/** The check forbids what was asked for; nothing was touched. */
export class RefusedError extends FlickError {
  readonly findings: readonly Finding[];

  constructor(message: string, findings: readonly Finding[]) {
    super('refused', message, { remedy: undefined });
    this.findings = findings;
  }
}

export interface Failure {
  readonly status: number;
  /** The `error` of the JSON document. */
  readonly document: {
    readonly reason: string;
    readonly message: string;
    readonly remedy?: string;
    readonly logPath?: string;
    readonly findings?: readonly Finding[];
  };
  /** The same for people, in one or more lines. */
  readonly text: string;
}

/** What is said of anything that was thrown. */
export function describeFailure(error: unknown): Failure {
  const message = messageOf(error);
  if (error instanceof UsageError) {
    return {
      status: exitStatuses.usage,
      document: { reason: 'usage', message, remedy: 'flick help says how it is used.' },
      text: `${message}\nflick help says how it is used.`,
    };
  }
  const { reason, remedy, logPath } = readError(error);
  const findings = error instanceof RefusedError ? error.findings : undefined;
  return {
    status: reason === 'refused' ? exitStatuses.refused : exitStatuses.failed,
    document: {
      reason,
      message,
      ...(remedy === undefined ? {} : { remedy }),
      ...(logPath === undefined ? {} : { logPath }),
      ...(findings === undefined ? {} : { findings }),
    },
    text: escapeLines(
      [
        message,
        ...(findings === undefined ? [] : [formatFindings(findings, '  ')]),
        ...(remedy === undefined ? [] : [`→ ${remedy}`]),
        ...(logPath === undefined ? [] : [`log on the device: ${logPath}`]),
      ].join('\n'),
    ),
  };
}

/** Errors of a transport carry the same fields as those of the contract, with reasons of their own. */
function readError(error: unknown): { reason: string; remedy?: string; logPath?: string } {
  if (!(error instanceof Error)) return { reason: 'internal' };
  const text = (key: string): string | undefined => {
    const value: unknown = Reflect.get(error, key);
    return typeof value === 'string' ? value : undefined;
  };
  const remedy = text('remedy');
  const logPath = text('logPath');
  return {
    reason: text('reason') ?? 'internal',
    ...(remedy === undefined ? {} : { remedy }),
    ...(logPath === undefined ? {} : { logPath }),
  };
}
