import type { EngineStatus, Finding } from '../../../protocol/index.ts';
import type { CriuFacts } from './factsSchema.ts';

export interface ArrivalCircumstances {
  /** The receiving user. */
  readonly uid: number;
  /** Folder of the agent, whose file system takes the images and the layers. */
  readonly flickHome: string;
  /** Whether cells are user namespaces here (ordinary users). */
  readonly userNamespaces: boolean;
  readonly engine: EngineStatus;
  /** Files that will have to be sent, in bytes. */
  readonly missingBytes: number;
  readonly freeBytes: number;
}

/** The target's half of the check: whether a tree with these facts can live on this device. */
export function checkArrival(_facts: CriuFacts, _on: ArrivalCircumstances): Promise<Finding[]> {
  return Promise.resolve([]);
}
