import type { HandoffStep } from '../../../protocol/index.ts';

/** How long a handoff does without a link before it is given up, in ms. */
export interface LinkPatience {
  /** While the process runs on the source: nobody notices. */
  readonly running: number;
  /** While it stands still there. */
  readonly frozen: number;
  /** While it runs on the target and memory that it lacks is on the source: both have nothing else to hope for. */
  readonly serving: number;
}

const usual: LinkPatience = { running: 60_000, frozen: 20_000, serving: 3_600_000 };

/** `FLICK_LINK_PATIENCE`, one number of ms for all, is for networks where links stay away longer, and for tests. */
export function linkPatience(environment: NodeJS.ProcessEnv = process.env): LinkPatience {
  const ms = Number(environment['FLICK_LINK_PATIENCE'] ?? '');
  return Number.isFinite(ms) && ms > 0 ? { running: ms, frozen: ms, serving: ms } : usual;
}

export function patienceAt(step: HandoffStep, { running, frozen, serving }: LinkPatience): number {
  if (step === 'serve') return serving;
  return step === 'check' || step === 'copy' ? running : frozen;
}
