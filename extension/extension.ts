import * as vscode from 'vscode';
import { buildContainer } from './container.ts';
import { l10n, useTranslator } from './l10n.ts';

/** Wires the extension; everything it makes is released with the context. */
export function activate(context: vscode.ExtensionContext): void {
  useTranslator(vscode.l10n.t);
  try {
    context.subscriptions.push(buildContainer(context));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    void vscode.window.showErrorMessage(l10n.t('Flick could not start: {0}', why));
    throw error;
  }
}
