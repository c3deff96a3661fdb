import type * as vscode from 'vscode';
import type { Fleet } from '../../client/fleet.ts';
import type { LogDocuments } from '../documents/logDocuments.ts';
import type { DebugUrls } from '../debug/debugUrls.ts';
import type { MadeDocuments } from '../documents/madeDocuments.ts';
import type { CommandId } from '../ids.ts';
import type { Mover } from '../moves/mover.ts';
import type { Problems } from '../problems.ts';
import type { Terminals } from '../terminal/terminals.ts';
import type { DevicesTree } from '../views/devicesTree.ts';

/** What commands work with. */
export interface Services {
  readonly fleet: Fleet;
  /** The bundle of CRIU that can be pushed to devices, if this installation carries one. */
  readonly bundle: string | undefined;
  readonly output: vscode.LogOutputChannel;
  readonly problems: Problems;
  readonly documents: MadeDocuments;
  readonly logs: LogDocuments;
  readonly mover: Mover;
  readonly terminals: Terminals;
  readonly debugUrls: DebugUrls;
  readonly tree: DevicesTree;
}

/** Runs a command with whatever VS Code hands it; failures are reported by whoever registered it. */
export type CommandHandler = (...args: readonly unknown[]) => Promise<void>;
export type CommandTable<Id extends CommandId> = Readonly<Record<Id, CommandHandler>>;
