import type { HandoffStep } from '../../../protocol/index.ts';

/** How long a handoff does without a link before it is given up, in ms. */
export interface LinkPatience {
  /** While the process runs on the source: nobody notices. */
  readonly running: number;
  /** While it stands still there. */
  readonly frozen: number;
}

const usual: LinkPatience = { running: 60_000, frozen: 20_000 };

/**
 * `FLICK_LINK_PATIENCE`, in ms, is for networks where links stay away longer, and for tests: one number for both, or
 * `RUNNING,FROZEN`.
 */
export function linkPatience(environment: NodeJS.ProcessEnv = process.env): LinkPatience {
  const [running = NaN, frozen = running] = (environment['FLICK_LINK_PATIENCE'] ?? '')
    .split(',')
    .map((each) => (each === '' ? NaN : Number(each)));
  const sane = [running, frozen].every((ms) => Number.isFinite(ms) && ms > 0);
  return sane ? { running, frozen } : usual;
}

export function patienceAt(step: HandoffStep, { running, frozen }: LinkPatience): number {
  return step === 'check' || step === 'copy' ? running : frozen;
}
