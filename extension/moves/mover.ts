import * as vscode from 'vscode';
import type { Fleet } from '../../client/fleet.ts';
import type { MoveCheck } from '../../client/move.ts';
import { blocks, type HandoffOutcome } from '../../protocol/index.ts';
import type { MadeDocuments } from '../documents/madeDocuments.ts';
import { l10n } from '../l10n.ts';
import { deviceInText } from '../model/deviceRow.ts';
import { findingsList } from '../model/markdown.ts';
import { isCancellation } from '../model/problem.ts';
import { describeStep, isPastRelease } from '../model/processRow.ts';
import type { Problems } from '../problems.ts';
import { settings } from '../settings.ts';
import type { MoveStatus } from './moveStatus.ts';
import {
  confirmation,
  engineLines,
  findingLines,
  mustConfirm,
  refusal,
  summary,
  type CheckedMove,
} from './moveText.ts';
import type { MovePlan, PlannedMove } from './plan.ts';

interface ReadyMove {
  readonly move: PlannedMove;
  readonly checked: CheckedMove;
}

export interface MoverParts {
  readonly fleet: Fleet;
  readonly problems: Problems;
  readonly documents: MadeDocuments;
  readonly status: MoveStatus;
  /** Called when a process has arrived, to show it where it is now. */
  readonly arrived: (move: PlannedMove) => Promise<void>;
}

/** Takes a wish to move processes from the drop (or the command) to the end: check, question, move, report. */
export class Mover {
  readonly #parts: MoverParts;

  constructor(parts: MoverParts) {
    this.#parts = parts;
  }

  /** Never rejects: every failure is told to the person who asked. */
  async run(plan: MovePlan): Promise<void> {
    const { problems } = this.#parts;
    try {
      if (!vscode.workspace.isTrusted) {
        problems.offer(
          'warning',
          l10n.t('Processes are not moved from a folder you do not trust.'),
          [
            {
              title: l10n.t('Manage Trust'),
              run: () => vscode.commands.executeCommand('workbench.trust.manage'),
            },
          ],
        );
        return;
      }
      if (plan.left.length > 0) problems.offer('warning', plan.left.join(' '), []);
      const ready = await this.#checkAll(plan.moves);
      if (ready.length === 0 || !(await this.#confirm(ready))) return;
      for (const each of ready) if (!(await this.#move(each))) return;
    } catch (error) {
      problems.report(l10n.t('Could not move'), error);
    }
  }

  async #checkAll(moves: readonly PlannedMove[]): Promise<readonly ReadyMove[]> {
    if (moves.length === 0) return [];
    return vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: l10n.t('Checking the move'),
        cancellable: true,
      },
      async (progress, token) => {
        const ready: ReadyMove[] = [];
        const abort = new AbortController();
        token.onCancellationRequested(() => abort.abort());
        for (const move of moves) {
          if (token.isCancellationRequested) return [];
          progress.report({
            message: l10n.t('{0} → {1}', move.processName, deviceInText(move.to)),
          });
          const checked = await this.#check(move, abort.signal);
          if (checked !== undefined) ready.push({ move, checked });
        }
        return token.isCancellationRequested ? [] : ready;
      },
    );
  }

  /** @returns undefined when the move cannot be; why has been said then. */
  async #check(move: PlannedMove, signal: AbortSignal): Promise<CheckedMove | undefined> {
    const { from, to, processId, processName } = move;
    const { fleet, problems } = this.#parts;
    let check: MoveCheck;
    try {
      check = await fleet.checkMove(from, processId, to, { signal });
    } catch (error) {
      problems.report(
        l10n.t('Could not check the move of {0} to {1}', processName, deviceInText(to)),
        error,
        {
          device: from,
        },
      );
      return undefined;
    }
    if (blocks(check.findings)) {
      this.#refuse(move, check);
      return undefined;
    }
    return {
      processName,
      from: deviceInText(from),
      to: deviceInText(to),
      check,
    };
  }

  #refuse({ processName, to }: PlannedMove, { findings }: MoveCheck): void {
    const { problems, documents } = this.#parts;
    const side = findings.some(
      (each) => each.severity === 'blocks' && each.cause.startsWith('criu'),
    );
    problems.offer('error', refusal(processName, deviceInText(to), findings), [
      {
        title: l10n.t('Show Details'),
        run: () =>
          documents.showMarkdown(
            l10n.t('Check of {0}.md', processName.replaceAll('/', '∕')),
            `# ${l10n.t('Why {0} cannot move to {1}', processName, deviceInText(to))}\n\n${findingsList(findings)}\n`,
          ),
      },
      ...(side
        ? [
            {
              title: l10n.t('Set Up Device…'),
              run: () => vscode.commands.executeCommand('flick.setUpDevice', to.name),
            },
          ]
        : []),
      {
        title: l10n.t('Run Doctor'),
        run: () => vscode.commands.executeCommand('flick.doctor'),
      },
    ]);
  }

  async #confirm(ready: readonly ReadyMove[]): Promise<boolean> {
    const moves = ready.map((each) => each.checked);
    if (!mustConfirm(settings.confirmMove, moves)) return true;
    const { message, detail } = confirmation(moves);
    const warns = moves.some((each) =>
      each.check.findings.some((finding) => finding.severity === 'warns'),
    );
    const show = warns ? vscode.window.showWarningMessage : vscode.window.showInformationMessage;
    const go = l10n.t('Move');
    return (await show(message, { modal: true, detail }, go)) === go;
  }

  /** @returns false when the person cancelled, so that the moves behind this one do not start either. */
  async #move({ move, checked }: ReadyMove): Promise<boolean> {
    const { problems } = this.#parts;
    const { from, to, processName } = move;
    let outcome: HandoffOutcome;
    try {
      outcome = await this.#withProgress(move, checked);
    } catch (error) {
      if (isCancellation(error)) {
        void vscode.window.showInformationMessage(
          l10n.t('The move was cancelled. {0} runs on {1}.', processName, deviceInText(from)),
        );
        return false;
      }
      problems.report(l10n.t('Could not move {0} to {1}', processName, deviceInText(to)), error, {
        device: from,
        choices: [
          {
            title: l10n.t('Run Doctor'),
            run: () => vscode.commands.executeCommand('flick.doctor'),
          },
        ],
      });
      return true;
    }
    await this.#parts.arrived(move);
    // With no question asked beforehand, what the check warned of is said now.
    const untold = settings.confirmMove === 'never' ? findingLines(checked.check.findings) : [];
    const text = [
      summary(processName, deviceInText(to), outcome),
      ...engineLines(checked.check),
      ...outcome.remarks,
      ...untold,
    ].join(' ');
    problems.offer('information', text, []);
    return true;
  }

  async #withProgress(move: PlannedMove, checked: CheckedMove): Promise<HandoffOutcome> {
    const { fleet, status } = this.#parts;
    const { from, to, processId, processName } = move;
    const starting = l10n.t('starting');
    status.set(move, starting);
    try {
      return await vscode.window.withProgress(
        {
          location: vscode.ProgressLocation.Notification,
          title: l10n.t('Moving {0} to {1}', processName, deviceInText(to)),
          cancellable: true,
        },
        async (progress, token) => {
          progress.report({ message: starting });
          const abort = new AbortController();
          token.onCancellationRequested(() => abort.abort());
          return fleet.move(from, processId, to, {
            engine: checked.check.engine,
            acceptWarnings: true,
            signal: abort.signal,
            onProgress: (now) => {
              const released = isPastRelease(now.step);
              const step = describeStep(now);
              const text =
                released && token.isCancellationRequested
                  ? l10n.t('{0} (too late to cancel)', step)
                  : step;
              progress.report({ message: text });
              status.set(move, step);
            },
          });
        },
      );
    } finally {
      status.set(move, undefined);
    }
  }
}
