import type { Duplex } from 'node:stream';
import type { Event } from '../../common/event.ts';
import type { Logger } from '../../common/logger.ts';
import type { HandoffStep } from '../../protocol/index.ts';
import type { DebugRuntimes } from '../debug/debugRuntimes.ts';
import type { Engines } from '../engines/engine.ts';
import type { Hasher } from '../files/hashing.ts';
import type { StoredFiles } from '../files/keptFiles.ts';
import type { Processes } from '../processes/processes.ts';
import type { AgentHome } from '../state/home.ts';
import type { Forecasts } from './forecasts.ts';
import type { HandoffLedger } from './ledger.ts';

/** What both halves of a handoff stand on. */
export interface HandoffContext {
  readonly home: AgentHome;
  readonly processes: Processes;
  readonly engines: Engines;
  readonly debug: DebugRuntimes;
  readonly ledger: HandoffLedger;
  readonly hasher: Hasher;
  readonly forecasts: Forecasts;
  readonly logger: Logger;
  readonly keeper: () => Promise<string>;
  /** The content of this device's capsules. */
  readonly stored: () => Promise<StoredFiles>;
  readonly device: () => Promise<{
    readonly userNamespaces: boolean;
    readonly privilegedHelper: boolean;
  }>;
  readonly progress: (progress: HandoffProgress) => void;
}

export interface HandoffProgress {
  readonly handoff: string;
  readonly process: string;
  readonly step: HandoffStep;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** What is under the stream of a handoff. */
export interface LinkView {
  /** It leads to the other agent without a client between them, at this moment. */
  readonly isDirect: boolean;
  /** Fires with true when there is a link again, with false when it was lost; the stream may outlive that. */
  readonly onDidChange: Event<boolean>;
}

/** A stream that lives as long as the one connection that it is. */
export const plainLink: LinkView = {
  isDirect: false,
  onDidChange: () => ({ dispose: () => undefined }),
};

/** One half of a handoff, waiting for its stream or under way. */
export interface HandoffOperation<Result> {
  readonly id: string;
  readonly result: Promise<Result>;
  /** Resolves when nothing more is said on the stream, which can be long after there is a result; never rejects. */
  readonly streamOver: Promise<void>;
  /** The stream to the other agent has been joined: the handoff begins. */
  join(stream: Duplex, link: LinkView): void;
  /** Nobody joined a stream in time. */
  expire(): void;
  /** @returns false when it is too late */
  cancel(): boolean;
}
