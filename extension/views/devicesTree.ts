import * as vscode from 'vscode';
import type { Device } from '../../client/device.ts';
import type { Fleet } from '../../client/fleet.ts';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import { listCandidates, listCapsules } from '../../protocol/index.ts';
import { capsuleGroupRow, capsuleRow } from '../model/capsuleRow.ts';
import { candidateGroupRow, candidateRow } from '../model/candidateRow.ts';
import { deviceRow } from '../model/deviceRow.ts';
import { isFleetEmpty } from '../model/fleetState.ts';
import { describeProblem } from '../model/problem.ts';
import { processRow, taskRow } from '../model/processRow.ts';
import type { Row } from '../model/rows.ts';
import { l10n } from '../l10n.ts';
import { awayUri } from './awayDecorations.ts';
import {
  ElementStore,
  type CandidatesElement,
  type CapsulesElement,
  type Element,
} from './elements.ts';

/** Changes that arrive together are drawn together. In ms. */
const gatherMs = 30;
/** VS Code waits for 200 ms without news before it draws, so a steady flow needs gaps longer than that. In ms. */
const redrawMs = 350;

/** Feeds the Devices tree. Draws nothing by itself: VS Code asks for what is on the screen. */
export class DevicesTree implements vscode.TreeDataProvider<Element>, Disposable {
  readonly elements = new ElementStore();
  readonly #fleet: Fleet;
  readonly #changed = new vscode.EventEmitter<Element[] | undefined>();
  readonly #store = new DisposableStore();
  readonly #deviceListeners = new Map<Device, DisposableStore>();
  readonly #pending = new Set<Element>();
  #allPending = false;
  #timer: NodeJS.Timeout | undefined;
  #drawnAt = 0;
  #wasEmpty = true;
  #visible = false;

  readonly onDidChangeTreeData = this.#changed.event;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    this.#store.add(this.#changed);
    this.#store.add(fleet.onDidChangeDevices(() => this.#devicesChanged()));
    this.#devicesChanged();
  }

  /** While hidden, changes are only remembered; VS Code asks for the rows when the view is shown. */
  setVisible(visible: boolean): void {
    this.#visible = visible;
    if (visible) this.#schedule();
  }

  getTreeItem(element: Element): vscode.TreeItem {
    const row = this.#row(element);
    const item = new vscode.TreeItem(row.label, collapsible(element));
    item.id = element.id;
    item.description = row.description;
    item.contextValue = row.context;
    item.iconPath = new vscode.ThemeIcon(
      row.icon,
      row.color === undefined ? undefined : new vscode.ThemeColor(row.color),
    );
    item.accessibilityInformation = { label: row.spoken };
    if (row.away) item.resourceUri = awayUri(element.id);
    return item;
  }

  resolveTreeItem(item: vscode.TreeItem, element: Element): vscode.TreeItem {
    const tooltip = new vscode.MarkdownString(this.#row(element).tooltip());
    tooltip.supportThemeIcons = false;
    item.tooltip = tooltip;
    return item;
  }

  getParent(element: Element): Element | undefined {
    return element.parent;
  }

  async getChildren(element?: Element): Promise<Element[]> {
    if (element === undefined) {
      this.#wasEmpty = isFleetEmpty(this.#fleet.devices);
      return this.#wasEmpty ? [] : [...this.elements.of(this.#fleet.devices)];
    }
    switch (element.kind) {
      case 'device': {
        const canAsk = element.device.state.kind === 'connected';
        return [...element.processes, ...(canAsk ? [element.capsules, element.candidates] : [])];
      }
      case 'capsules':
        return this.#capsules(element);
      case 'capsule':
        return [];
      case 'candidates':
        return this.#candidates(element);
      case 'process':
      case 'task':
      case 'candidate':
        return [...element.tasks];
    }
  }

  /** Draws one row and what is below it anew, or all of them. */
  refresh(element?: Element): void {
    if (element === undefined) this.#allPending = true;
    else this.#pending.add(element);
    this.#schedule();
  }

  /** Draws at once what has changed. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drawnAt = Date.now();
    const all = this.#allPending || isFleetEmpty(this.#fleet.devices) !== this.#wasEmpty;
    const elements = [...this.#pending];
    this.#allPending = false;
    this.#pending.clear();
    if (all) this.#changed.fire(undefined);
    else if (elements.length > 0) this.#changed.fire(elements);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const listeners of this.#deviceListeners.values()) listeners.dispose();
    this.#deviceListeners.clear();
    this.#store.dispose();
  }

  #row(element: Element): Row {
    const now = Date.now();
    const { device } = element;
    const away = device.state.kind !== 'connected';
    switch (element.kind) {
      case 'device':
        return deviceRow(device, now);
      case 'process':
        return processRow(element.info, {
          deviceName: device.name,
          now,
          awaySince: away ? (device.processesSeenAt ?? now) : undefined,
        });
      case 'task':
        return taskRow(element.task, away);
      case 'capsules':
        return capsuleGroupRow(element.problem);
      case 'capsule':
        return capsuleRow(element.capsule, (id) => element.parent.nameOf(id), now);
      case 'candidates':
        return candidateGroupRow(element.problem);
      case 'candidate':
        return candidateRow(element.candidate);
    }
  }

  /** Asks the device only when the group is opened or refreshed, not with every redraw of what is around it. */
  async #candidates(group: CandidatesElement): Promise<Element[]> {
    if (group.listed !== undefined) return [...group.listed];
    const before = group.problem;
    try {
      const { candidates } = await group.device.request(listCandidates, {});
      group.problem = candidates.length === 0 ? l10n.t('nothing found') : undefined;
      group.update(candidates);
    } catch (error) {
      group.listed = [];
      group.problem = describeProblem(l10n.t('Could not list them'), error).message;
    }
    if (group.problem !== before) this.refresh(group);
    return [...(group.listed ?? [])];
  }

  async #capsules(group: CapsulesElement): Promise<Element[]> {
    if (group.listed !== undefined) return [...group.listed];
    const before = group.problem;
    try {
      const { capsules, damaged } = await group.device.request(listCapsules, {});
      group.problem = capsules.length + damaged.length === 0 ? l10n.t('none saved yet') : undefined;
      group.update([
        ...capsules.map((info) => ({ id: info.id, info })),
        ...damaged.map(({ id, why }) => ({ id, damage: why })),
      ]);
    } catch (error) {
      group.listed = [];
      group.problem = describeProblem(l10n.t('Could not list them'), error).message;
    }
    if (group.problem !== before) this.refresh(group);
    return [...(group.listed ?? [])];
  }

  #capsulesChanged(device: Device): void {
    const { capsules } = this.elements.device(device);
    capsules.listed = undefined;
    this.refresh(capsules);
  }

  #devicesChanged(): void {
    const { devices } = this.#fleet;
    for (const [device, listeners] of this.#deviceListeners) {
      if (devices.includes(device)) continue;
      listeners.dispose();
      this.#deviceListeners.delete(device);
    }
    for (const device of devices) {
      if (this.#deviceListeners.has(device)) continue;
      const listeners = new DisposableStore();
      listeners.add(device.onDidChangeState(() => this.refresh(this.elements.device(device))));
      listeners.add(device.onDidChangeProcesses(() => this.#processesChanged(device)));
      listeners.add(device.onDidChangeCapsules(() => this.#capsulesChanged(device)));
      this.#deviceListeners.set(device, listeners);
    }
    this.refresh();
  }

  /** With the same processes as before, only the rows of those that have changed are drawn anew. */
  #processesChanged(device: Device): void {
    const element = this.elements.device(device);
    const changes = element.takeChanges();
    if (changes === undefined) this.refresh(element);
    else for (const each of changes) this.refresh(each);
  }

  #schedule(): void {
    if (!this.#visible || this.#timer !== undefined) return;
    const sinceLast = Date.now() - this.#drawnAt;
    const wait = Math.max(gatherMs, redrawMs - sinceLast);
    this.#timer = setTimeout(() => this.flush(), wait);
  }
}

function collapsible(element: Element): vscode.TreeItemCollapsibleState {
  const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;
  switch (element.kind) {
    case 'device':
      return Expanded;
    case 'capsules':
    case 'candidates':
      return Collapsed;
    case 'capsule':
      return None;
    case 'process':
    case 'task':
    case 'candidate':
      return element.tasks.length > 0 ? Collapsed : None;
  }
}
