import type { Logger } from '../../common/logger.ts';
import type { Effect } from './machine.ts';

/**
 * One line of the agent's log for each step of a half and for each effect that it has carried out: what a move that
 * went wrong is understood by afterwards.
 */
export function traceHandoff(
  logger: Logger,
  handoff: string,
  side: 'source' | 'target',
  at: string,
): void {
  logger.log('info', 'handoff', { handoff, side, at });
}

/** As in docs/handoff.md: `pin`, `write released`, `send run`. */
export function describeEffect(effect: Effect): string {
  switch (effect.do) {
    case 'write':
      return `write ${effect.word}`;
    case 'send':
      return `send ${effect.message}`;
    default:
      return effect.do;
  }
}
