import type { HandoffStep } from '../../../protocol/index.ts';

/** How long a handoff does without a link before it is given up, in ms. */
export interface LinkPatience {
  /** While the process runs on the source: nobody notices. */
  readonly running: number;
  /** While it stands still there. */
  readonly frozen: number;
}

const usual: LinkPatience = { running: 60_000, frozen: 20_000 };

/** `FLICK_LINK_PATIENCE`, one number of ms for both, is for networks where links stay away longer, and for tests. */
export function linkPatience(environment: NodeJS.ProcessEnv = process.env): LinkPatience {
  const ms = Number(environment['FLICK_LINK_PATIENCE'] ?? '');
  return Number.isFinite(ms) && ms > 0 ? { running: ms, frozen: ms } : usual;
}

export function patienceAt(step: HandoffStep, { running, frozen }: LinkPatience): number {
  return step === 'check' || step === 'copy' ? running : frozen;
}
