import * as vscode from 'vscode';
import type { ProcessInfo } from '../../protocol/index.ts';
import { debugType } from '../ids.ts';
import { l10n } from '../l10n.ts';
import { isAlive } from '../model/processRow.ts';
import type { CommandTable, Services } from './services.ts';
import { processTargets } from './targets.ts';

export function debugCommands(
  services: Services,
): CommandTable<'flick.debugProcess' | 'flick.copyDebugUrl'> {
  const { fleet, debugUrls } = services;
  const fits = (info: ProcessInfo): boolean => isAlive(info) || info.state === 'moving';
  return {
    'flick.debugProcess': async (...args) => {
      const [target] = await processTargets(fleet, args, l10n.t('Debug Process'), fits);
      if (target === undefined) return;
      const { id, name } = target.info;
      await vscode.debug.startDebugging(vscode.workspace.workspaceFolders?.[0], {
        type: debugType,
        request: 'attach',
        name,
        process: id,
      });
    },

    'flick.copyDebugUrl': async (...args) => {
      const [target] = await processTargets(fleet, args, l10n.t('Copy DevTools URL'), fits);
      if (target === undefined) return;
      await vscode.env.clipboard.writeText(await debugUrls.urlOf(target.device, target.info));
      void vscode.window.showInformationMessage(
        l10n.t(
          'The address of a debugger for {0} is in the clipboard. It stays the same while {0} moves, until this window closes.',
          target.info.name,
        ),
      );
    },
  };
}
