import { blocks, FlickError, type Finding } from '../../protocol/index.ts';

/** @throws {FlickError} `refused` with what stands in the way */
export function refuseIfBlocked(findings: readonly Finding[]): void {
  if (!blocks(findings)) return;
  const blocking = findings.filter((each) => each.severity === 'blocks');
  throw new FlickError('refused', blocking.map((each) => each.what).join(' '), {
    remedy: blocking.flatMap((each) => each.remedy ?? []).join(' ') || undefined,
  });
}

/** Why a move was called off: by whoever aborted it, or because nobody is connected any more. */
export function abortReason(signal: AbortSignal): FlickError {
  return signal.reason instanceof FlickError
    ? signal.reason
    : new FlickError(
        'linkLost',
        'The connection between the devices was lost during the move. The process goes on where it was.',
        { remedy: 'Try again when both devices are connected.' },
      );
}
