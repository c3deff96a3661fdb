import * as vscode from 'vscode';
import type { Device } from '../../client/device.ts';
import type { Fleet } from '../../client/fleet.ts';
import type { ProcessInfo } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { deviceLabel, deviceRow } from '../model/deviceRow.ts';
import { joinCommandLine } from '../model/commandLine.ts';
import { shorten } from '../model/format.ts';
import { describeProcessState } from '../model/processRow.ts';
import { processOf } from '../moves/plan.ts';
import { isElement, type Element } from '../views/elements.ts';

/** A process and the device that it is on. */
export interface ProcessTarget {
  readonly device: Device;
  readonly info: ProcessInfo;
}

/** The rows a command was started on: the clicked one, or the whole selection when that one is part of it. */
export function elementsOf(args: readonly unknown[]): readonly Element[] {
  const [clicked, selected] = args;
  const selection = Array.isArray(selected) ? selected.filter(isElement) : [];
  if (!isElement(clicked)) return selection;
  return selection.includes(clicked) ? selection : [clicked];
}

/**
 * Finds out which device a command is meant for: the row it was started on, a name given by a key binding or a link,
 * or the one that the person picks (with `takeOnly`, nothing is asked where only one fits).
 * @returns undefined when the person changed their mind
 */
export async function deviceTarget(
  fleet: Fleet,
  args: readonly unknown[],
  title: string,
  fits: (device: Device) => boolean,
  options: { readonly takeOnly?: boolean } = {},
): Promise<Device | undefined> {
  const [first] = args;
  const [element] = elementsOf(args);
  if (element !== undefined) return element.device;
  if (typeof first === 'string') {
    const named = fleet.devices.find((each) => each.name === first);
    if (named !== undefined) return named;
  }
  const fitting = fleet.devices.filter(fits);
  if (options.takeOnly === true && fitting.length === 1) return fitting[0];
  return pickDevice(fitting, title);
}

export async function pickDevice(
  devices: readonly Device[],
  title: string,
): Promise<Device | undefined> {
  if (devices.length === 0) {
    void vscode.window.showInformationMessage(l10n.t('There is no device that this fits.'));
    return undefined;
  }
  const now = Date.now();
  const items = devices.map((device) => {
    const { description } = deviceRow(device, now);
    return { label: deviceLabel(device), description, device };
  });
  const picked = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: l10n.t('Pick a device'),
    matchOnDescription: true,
  });
  return picked?.device;
}

/** Like {@link deviceTarget}, for managed processes; a name or an id may be given too. */
export async function processTargets(
  fleet: Fleet,
  args: readonly unknown[],
  title: string,
  fits: (info: ProcessInfo) => boolean,
  options: { readonly many?: boolean } = {},
): Promise<readonly ProcessTarget[]> {
  const elements = elementsOf(args)
    .map(processOf)
    .filter((each) => each !== undefined);
  if (elements.length > 0) {
    const fitting = [...new Set(elements)].filter((each) => fits(each.info));
    const chosen = options.many === true ? fitting : fitting.slice(0, 1);
    return chosen.map(({ device, info }) => ({ device, info }));
  }
  const all = fleet.devices.flatMap((device) =>
    device.processes.filter(fits).map((info) => ({ device, info })),
  );
  const [first] = args;
  if (typeof first === 'string') {
    const named = all.filter(({ info }) => info.id === first || info.name === first);
    if (named.length === 1) return named;
  }
  return pickProcesses(all, title, options.many === true);
}

async function pickProcesses(
  targets: readonly ProcessTarget[],
  title: string,
  many: boolean,
): Promise<readonly ProcessTarget[]> {
  if (targets.length === 0) {
    void vscode.window.showInformationMessage(l10n.t('There is no process that this fits.'));
    return [];
  }
  const items = targets.map((target) => ({
    label: target.info.name,
    description: [deviceLabel(target.device), describeProcessState(target.info)]
      .filter((each) => each !== '')
      .join(' · '),
    detail: shorten(joinCommandLine(target.info.command), 120),
    target,
  }));
  const common = { title, matchOnDescription: true, matchOnDetail: true };
  if (many) {
    const picked = await vscode.window.showQuickPick(items, {
      ...common,
      placeHolder: l10n.t('Pick one or several processes'),
      canPickMany: true,
    });
    return (picked ?? []).map((each) => each.target);
  }
  const picked = await vscode.window.showQuickPick(items, {
    ...common,
    placeHolder: l10n.t('Pick a process'),
  });
  return picked === undefined ? [] : [picked.target];
}

/** Asks before something that cannot be taken back. */
export async function confirmed(message: string, detail: string, action: string): Promise<boolean> {
  const options = { modal: true, detail };
  return (await vscode.window.showWarningMessage(message, options, action)) === action;
}
