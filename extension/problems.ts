import * as vscode from 'vscode';
import type { Device } from '../client/device.ts';
import { l10n } from './l10n.ts';
import type { LogDocuments } from './documents/logDocuments.ts';
import { describeProblem, isCancellation } from './model/problem.ts';

/** A button under a message and what it does. */
export interface Choice {
  readonly title: string;
  readonly run: () => unknown;
}

/** Tells people what went wrong and offers what can be done about it. */
export class Problems {
  readonly #output: vscode.LogOutputChannel;
  readonly #logs: LogDocuments;

  constructor(output: vscode.LogOutputChannel, logs: LogDocuments) {
    this.#output = output;
    this.#logs = logs;
  }

  /** Reports a failure. Returns at once: nothing waits for somebody to read it. */
  report(
    doing: string,
    error: unknown,
    options: { readonly device?: Device | undefined; readonly choices?: readonly Choice[] } = {},
  ): void {
    if (isCancellation(error)) return;
    const { message, logPath } = describeProblem(doing, error);
    this.#output.error(error instanceof Error ? error : message);
    const { device } = options;
    const choices = [...(options.choices ?? [])];
    if (logPath !== undefined && device !== undefined) {
      choices.push({ title: l10n.t('Show Log'), run: () => this.#logs.open(device, logPath) });
    } else {
      choices.push({ title: l10n.t('Show Output'), run: () => this.#output.show() });
    }
    this.offer('error', message, choices);
  }

  /** Shows a message with buttons and runs the chosen one; what fails then is reported in turn. */
  offer(
    severity: 'error' | 'warning' | 'information',
    message: string,
    choices: readonly Choice[],
  ): void {
    const show = {
      error: vscode.window.showErrorMessage,
      warning: vscode.window.showWarningMessage,
      information: vscode.window.showInformationMessage,
    }[severity];
    void (async (): Promise<void> => {
      const chosen = await show(message, ...choices.map((each) => each.title));
      const choice = choices.find((each) => each.title === chosen);
      if (choice === undefined) return;
      try {
        await choice.run();
      } catch (error) {
        this.report(l10n.t('Could not do “{0}”', choice.title), error);
      }
    })();
  }
}
