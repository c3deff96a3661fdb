import * as vscode from 'vscode';
import type { Device } from '../../client/device.ts';
import type { Fleet } from '../../client/fleet.ts';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import type { ContextKey } from '../ids.ts';
import { l10n } from '../l10n.ts';
import { countRunning, isFleetEmpty } from '../model/fleetState.ts';
import { describeProblem } from '../model/problem.ts';
import type { DevicesTree } from './devicesTree.ts';
import type { Element } from './elements.ts';

/** How long to wait for the news of a process that has moved, in ms. */
const arrivalMs = 3000;

/** The Devices view: its badge, the context keys of its menus, and the watching that lasts while it is on the screen. */
export class DevicesView implements Disposable {
  readonly #fleet: Fleet;
  readonly #tree: DevicesTree;
  readonly #view: vscode.TreeView<Element>;
  readonly #store = new DisposableStore();
  /** The agent pushes changes of processes for the badge and the menus, and samples nothing for it. */
  readonly #lists = new Map<Device, Disposable>();
  /** Memory, ports and children: only while somebody looks. */
  readonly #metrics = new Map<Device, Disposable>();
  readonly #listeners = new Map<Device, Disposable>();
  readonly #keys = new Map<ContextKey, boolean>();

  constructor(
    fleet: Fleet,
    tree: DevicesTree,
    dragAndDrop: vscode.TreeDragAndDropController<Element>,
  ) {
    this.#fleet = fleet;
    this.#tree = tree;
    this.#view = this.#store.add(
      vscode.window.createTreeView('flick.devices', {
        treeDataProvider: tree,
        dragAndDropController: dragAndDrop,
        canSelectMany: true,
        showCollapseAll: true,
      }),
    );
    this.#store.add(this.#view.onDidChangeVisibility(() => this.#update()));
    this.#store.add(
      this.#view.onDidCollapseElement(({ element }) => {
        if (element.kind === 'candidates' || element.kind === 'capsules')
          element.listed = undefined;
      }),
    );
    this.#store.add(fleet.onDidChangeDevices(() => this.#update()));
    this.#update();
  }

  /** Selects a process on the device where it has just arrived, without taking the keyboard from where it is. */
  async revealArrival(device: Device, processId: string): Promise<void> {
    if (!this.#view.visible) return;
    const element = await this.#arrival(device, processId);
    if (element === undefined) return;
    this.#tree.flush();
    try {
      await this.#view.reveal(element, { select: true, focus: false, expand: false });
    } catch {
      // The row went away again, or the view was closed: there is nothing to select then.
    }
  }

  /** The news of the process can come a moment after the move has been reported. */
  async #arrival(device: Device, processId: string): Promise<Element | undefined> {
    const { elements } = this.#tree;
    const find = (): Element | undefined => elements.process(device, processId);
    return (
      find() ??
      new Promise((resolve) => {
        const finish = (): void => {
          clearTimeout(timer);
          listening.dispose();
          resolve(find());
        };
        const timer = setTimeout(finish, arrivalMs);
        const listening = device.onDidChangeProcesses(() => {
          if (find() !== undefined) finish();
        });
      })
    );
  }

  dispose(): void {
    for (const held of [this.#metrics, this.#lists, this.#listeners]) {
      for (const item of held.values()) item.dispose();
    }
    this.#store.dispose();
  }

  #update(): void {
    const { visible } = this.#view;
    const { devices } = this.#fleet;
    this.#tree.setVisible(visible);
    const problem = this.#fleet.configurationProblem;
    this.#view.message =
      problem === undefined
        ? ''
        : describeProblem(l10n.t('The device list cannot be used'), problem).message;
    keep(this.#lists, devices, (device) => device.watch({ metrics: false }));
    keep(this.#metrics, visible ? devices : [], (device) => device.watch({ metrics: true }));
    keep(this.#listeners, devices, (device) => device.onDidChangeProcesses(() => this.#count()));
    this.#count();
  }

  #count(): void {
    const { devices } = this.#fleet;
    const running = countRunning(devices);
    const value = this.#view.badge?.value ?? 0;
    if (value !== running) {
      const tooltip =
        running === 1 ? l10n.t('1 process runs') : l10n.t('{0} processes run', running);
      this.#view.badge = running === 0 ? undefined : { value: running, tooltip };
    }
    const processes = devices.flatMap((each) => each.processes);
    this.#setKey('flick.hasDevices', !isFleetEmpty(devices));
    this.#setKey('flick.hasProcesses', processes.length > 0);
    this.#setKey(
      'flick.hasDoubts',
      processes.some((each) => each.state === 'inDoubt'),
    );
  }

  #setKey(key: ContextKey, value: boolean): void {
    if (this.#keys.get(key) === value) return;
    this.#keys.set(key, value);
    void vscode.commands.executeCommand('setContext', key, value);
  }
}

/** Makes `held` have exactly one entry for each of `wanted`. */
function keep(
  held: Map<Device, Disposable>,
  wanted: readonly Device[],
  make: (device: Device) => Disposable,
): void {
  for (const [device, item] of held) {
    if (wanted.includes(device)) continue;
    held.delete(device);
    item.dispose();
  }
  for (const device of wanted) if (!held.has(device)) held.set(device, make(device));
}
