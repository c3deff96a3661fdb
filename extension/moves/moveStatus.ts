import * as vscode from 'vscode';
import type { Disposable } from '../../common/disposable.ts';
import type { ContextKey } from '../ids.ts';
import { l10n } from '../l10n.ts';
import { deviceInText } from '../model/deviceRow.ts';
import type { PlannedMove } from './plan.ts';

/** The status bar item that shows moves under way; it is there only while there are any. */
export class MoveStatus implements Disposable {
  readonly #item: vscode.StatusBarItem;
  readonly #steps = new Map<PlannedMove, string>();

  constructor() {
    this.#item = vscode.window.createStatusBarItem(
      'flick.moves',
      vscode.StatusBarAlignment.Left,
      50,
    );
    this.#item.name = l10n.t('Flick Moves');
    this.#item.command = 'flick.devices.focus';
  }

  /** @param step undefined when the move is over. */
  set(move: PlannedMove, step: string | undefined): void {
    const wasMoving = this.#steps.size > 0;
    if (step === undefined) this.#steps.delete(move);
    else this.#steps.set(move, step);
    const isMoving = this.#steps.size > 0;
    if (wasMoving !== isMoving) {
      const key: ContextKey = 'flick.moving';
      void vscode.commands.executeCommand('setContext', key, isMoving);
    }
    const [entry] = this.#steps;
    if (entry === undefined) {
      this.#item.hide();
      return;
    }
    const [{ processName, to }, current] = entry;
    const text =
      this.#steps.size === 1
        ? l10n.t('{0} → {1}: {2}', processName, deviceInText(to), current)
        : l10n.t('{0} processes are moving', this.#steps.size);
    this.#item.text = `$(loading~spin) ${text.replace(/\$\(/g, '$ (')}`;
    this.#item.accessibilityInformation = { label: text };
    this.#item.tooltip = [...this.#steps]
      .map(([move_, each]) =>
        l10n.t('{0} → {1}: {2}', move_.processName, deviceInText(move_.to), each),
      )
      .join('\n');
    this.#item.show();
  }

  dispose(): void {
    this.#item.dispose();
  }
}
