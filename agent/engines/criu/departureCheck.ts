import type { Finding } from '../../../protocol/index.ts';
import type { CriuFacts } from './factsSchema.ts';

export interface DepartureCircumstances {
  /** The calling user. */
  readonly uid: number;
  readonly inCell: boolean;
  /** Whether the privileged helper can be used, which an ordinary user needs for a process outside a cell. */
  readonly hasHelper: boolean;
}

/** The source's half of the check: what of these facts stands in the way of a dump, or will be lost by it. */
export function checkDeparture(_facts: CriuFacts, _on: DepartureCircumstances): Finding[] {
  return [];
}
