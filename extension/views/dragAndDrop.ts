import * as vscode from 'vscode';
import { treeMimeType } from '../ids.ts';
import type { Mover } from '../moves/mover.ts';
import { deviceOf, planMoves, processOf } from '../moves/plan.ts';
import { isElement, type Element } from './elements.ts';

/** Lets processes be dragged onto devices. VS Code asks nothing while hovering, so all judgement is at the drop. */
export class ProcessDragAndDrop implements vscode.TreeDragAndDropController<Element> {
  readonly dragMimeTypes = [treeMimeType];
  readonly dropMimeTypes = [treeMimeType];
  readonly #mover: Mover;

  constructor(mover: Mover) {
    this.#mover = mover;
  }

  handleDrag(source: readonly Element[], data: vscode.DataTransfer): void {
    const dragged = source.filter(
      (each) => processOf(each) !== undefined || each.kind === 'candidate',
    );
    if (dragged.length > 0) data.set(treeMimeType, new vscode.DataTransferItem(dragged));
  }

  handleDrop(target: Element | undefined, data: vscode.DataTransfer): void {
    const value: unknown = data.get(treeMimeType)?.value;
    if (target === undefined || !Array.isArray(value)) return;
    const dragged = value.filter(isElement);
    if (dragged.length === 0) return;
    // Not awaited: VS Code blocks the tree until the drop is handled, and a move can take long.
    void this.#mover.run(planMoves(dragged, deviceOf(target)));
  }
}
