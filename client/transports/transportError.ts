/** Why a device could not be reached; programs decide by it whether trying again by itself makes sense. */
export type TransportReason =
  | 'unreachable'
  | 'auth'
  | 'hostKeyUnknown'
  | 'hostKeyChanged'
  | 'hostKeyRevoked'
  | 'noShell'
  | 'noNode'
  | 'nodeTooOld'
  | 'noSpace'
  | 'agentPush'
  | 'agentStart'
  | 'forwardRefused'
  | 'configuration'
  | 'closed';

/** These will not mend themselves: a person has to do something first. */
const needsPerson: readonly TransportReason[] = [
  'auth',
  'hostKeyUnknown',
  'hostKeyChanged',
  'hostKeyRevoked',
  'noShell',
  'noNode',
  'nodeTooOld',
  'noSpace',
  'agentStart',
  'configuration',
];

/** A device could not be reached. `message` says what failed and why, `remedy` what to do. */
export class TransportError extends Error {
  readonly reason: TransportReason;
  readonly remedy: string | undefined;

  constructor(
    reason: TransportReason,
    message: string,
    options: { readonly remedy?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'TransportError';
    this.reason = reason;
    this.remedy = options.remedy;
  }

  get needsPerson(): boolean {
    return needsPerson.includes(this.reason);
  }
}
