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

/**
 * `FLICK_LINK_PATIENCE`, in ms, is for networks where links stay away longer, and for tests: one number for all, or
 * `RUNNING,FROZEN`, or `RUNNING,FROZEN,SERVING`.
 */
export function linkPatience(environment: NodeJS.ProcessEnv = process.env): LinkPatience {
  const [running = NaN, frozen = running, serving = frozen] = (
    environment['FLICK_LINK_PATIENCE'] ?? ''
  )
    .split(',')
    .map((each) => (each === '' ? NaN : Number(each)));
  const sane = [running, frozen, serving].every((ms) => Number.isFinite(ms) && ms > 0);
  return sane ? { running, frozen, serving } : usual;
}

export function patienceAt(step: HandoffStep, { running, frozen, serving }: LinkPatience): number {
  if (step === 'serve') return serving;
  return step === 'check' || step === 'copy' ? running : frozen;
}
