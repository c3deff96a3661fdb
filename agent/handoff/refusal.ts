import { blocks, FlickError, type Finding } from '../../protocol/index.ts';

/** @throws {FlickError} `refused` with what stands in the way */
export function refuseIfBlocked(findings: readonly Finding[]): void {
  if (!blocks(findings)) return;
  const blocking = findings.filter((each) => each.severity === 'blocks');
  throw new FlickError('refused', blocking.map((each) => each.what).join(' '), {
    remedy: blocking.flatMap((each) => each.remedy ?? []).join(' ') || undefined,
  });
}
