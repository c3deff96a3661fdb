import * as vscode from 'vscode';
import { treeMimeType } from '../ids.ts';
import type { Mover } from '../moves/mover.ts';
import { deviceOf, planMoves, processOf } from '../moves/plan.ts';
import type { Element } from './elements.ts';

/** The rows on the mouse. VS Code also turns them into JSON, for other views; the rows themselves are circular. */
class Dragged {
  readonly elements: readonly Element[];

  constructor(elements: readonly Element[]) {
    this.elements = elements;
  }

  toJSON(): readonly string[] {
    return this.elements.map((each) => each.id);
  }
}

/** Lets processes be dragged onto devices. VS Code asks nothing while hovering, so all judgement is at the drop. */
export class ProcessDragAndDrop implements vscode.TreeDragAndDropController<Element> {
  /** The tree's own type need not be named here. */
  readonly dragMimeTypes = [];
  readonly dropMimeTypes = [treeMimeType];
  readonly #mover: Mover;

  constructor(mover: Mover) {
    this.#mover = mover;
  }

  handleDrag(source: readonly Element[], data: vscode.DataTransfer): void {
    const dragged = source.filter(
      (each) => processOf(each) !== undefined || each.kind === 'candidate',
    );
    if (dragged.length === 0) return;
    data.set(treeMimeType, new vscode.DataTransferItem(new Dragged(dragged)));
  }

  handleDrop(target: Element | undefined, data: vscode.DataTransfer): void {
    const value: unknown = data.get(treeMimeType)?.value;
    if (target === undefined || !(value instanceof Dragged)) return;
    // Not awaited: VS Code blocks the tree until the drop is handled, and a move can take long.
    void this.#mover.run(planMoves(value.elements, deviceOf(target)));
  }
}
