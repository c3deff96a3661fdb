import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import { commandIds, type CommandId } from '../ids.ts';
import { l10n } from '../l10n.ts';
import { capsuleCommands } from './capsuleCommands.ts';
import { debugCommands } from './debugCommands.ts';
import { deviceCommands } from './deviceCommands.ts';
import { processCommands } from './processCommands.ts';
import { runCommands } from './runCommands.ts';
import type { CommandTable, Services } from './services.ts';
import { setupCommands } from './setupCommands.ts';

/** Registers every command of the manifest; the compiler sees to it that none is missing. */
export function registerCommands(services: Services): Disposable {
  const table: CommandTable<CommandId> = {
    ...deviceCommands(services),
    ...processCommands(services),
    ...capsuleCommands(services),
    ...debugCommands(services),
    ...runCommands(services),
    ...setupCommands(services),
  };
  const store = new DisposableStore();
  for (const id of commandIds) {
    store.add(
      vscode.commands.registerCommand(id, async (...args: unknown[]) => {
        try {
          await table[id](...args);
        } catch (error) {
          services.problems.report(l10n.t('Flick could not do that'), error);
        }
      }),
    );
  }
  return store;
}
