import { isAbsolute, resolve as resolvePath } from 'node:path';
import * as vscode from 'vscode';
import type { Device } from '../../client/device.ts';
import { adoptProcess, launchProcess, listCandidates } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { parseCommandLine } from '../model/commandLine.ts';
import { deviceLabel } from '../model/deviceRow.ts';
import { formatBytes, formatPortNumbers, shorten } from '../model/format.ts';
import { settings } from '../settings.ts';
import type { CommandTable, Services } from './services.ts';
import { deviceTarget, elementsOf } from './targets.ts';

/** The size a terminal starts with; the tab reports its real one as soon as it is drawn. */
const firstSize = { columns: 80, rows: 24 };

export function runCommands(
  services: Services,
): CommandTable<'flick.runCommand' | 'flick.adoptProcess'> {
  const { fleet, terminals, tree } = services;
  // A device that is not connected yet is connected by asking it for something.
  const fits = (device: Device): boolean => device.state.kind !== 'failed';
  let lastLine = '';
  return {
    'flick.runCommand': async (...args) => {
      if (!isTrusted()) return;
      const title = l10n.t('Run Command on Device');
      const device = await deviceTarget(fleet, args, title, fits, { takeOnly: true });
      if (device === undefined) return;
      const given = typeof args[1] === 'string' ? args[1] : undefined;
      const line =
        given ??
        (await vscode.window.showInputBox({
          title: l10n.t('Run Command on {0}', deviceLabel(device)),
          prompt: l10n.t('It gets a terminal, and can move from the first moment on.'),
          placeHolder: 'node server.js',
          value: lastLine,
          ignoreFocusOut: true,
          validateInput: (value) =>
            value.trim() !== '' && parseCommandLine(value) === undefined
              ? l10n.t('A quote is left open.')
              : undefined,
        }));
      const command = line === undefined ? undefined : parseCommandLine(line);
      if (line === undefined || command === undefined) return;
      lastLine = line;
      await device.connect();
      const cwd = device.isLocal ? workingDirectory() : undefined;
      const carry = carried(cwd);
      const { process } = await device.request(launchProcess, {
        command,
        terminal: firstSize,
        ...(cwd === undefined ? {} : { cwd }),
        ...(carry.length === 0 ? {} : { carry }),
      });
      terminals.show(device, process);
    },

    'flick.adoptProcess': async (...args) => {
      if (!isTrusted()) return;
      const candidates = elementsOf(args).filter((each) => each.kind === 'candidate');
      if (candidates.length > 0) {
        for (const { device, candidate, parent } of candidates) {
          await device.request(adoptProcess, { pid: candidate.pid });
          parent.listed = undefined;
          tree.refresh(parent.parent);
        }
        return;
      }
      const title = l10n.t('Adopt Process');
      const device = await deviceTarget(fleet, args, title, fits, { takeOnly: true });
      await device?.connect();
      const pid = device === undefined ? undefined : await pickPid(device);
      if (device === undefined || pid === undefined) return;
      await device.request(adoptProcess, { pid });
      const element = tree.elements.device(device);
      element.candidates.listed = undefined;
      tree.refresh(element);
    },
  };
}

/** The palette hides these commands in an untrusted folder; key bindings and links do not. */
function isTrusted(): boolean {
  if (vscode.workspace.isTrusted) return true;
  void vscode.window.showWarningMessage(
    l10n.t('Nothing is run or adopted from a folder you do not trust.'),
  );
  return false;
}

/** The folder of the active editor, else the first one; undefined without a folder on this machine's disk. */
function workingDirectory(): string | undefined {
  const active = vscode.window.activeTextEditor?.document.uri;
  const folder =
    (active === undefined ? undefined : vscode.workspace.getWorkspaceFolder(active)) ??
    vscode.workspace.workspaceFolders?.[0];
  return folder?.uri.scheme === 'file' ? folder.uri.fsPath : undefined;
}

/** Relative entries need a directory to be relative to; without one they are left out. */
function carried(cwd: string | undefined): string[] {
  return settings.carry.flatMap((each) => {
    if (isAbsolute(each)) return [each];
    return cwd === undefined ? [] : [resolvePath(cwd, each)];
  });
}

interface PidItem extends vscode.QuickPickItem {
  readonly pid: number | undefined;
}

/** Lets the person pick from what the device lists, or type a PID that it does not list. */
async function pickPid(device: Device): Promise<number | undefined> {
  const picker = vscode.window.createQuickPick<PidItem>();
  picker.title = l10n.t('Adopt Process on {0}', deviceLabel(device));
  picker.placeholder = l10n.t('Pick a process or type a PID');
  picker.matchOnDescription = true;
  picker.matchOnDetail = true;
  picker.busy = true;
  let listed: PidItem[] = [];
  const typed = (): PidItem[] => {
    const value = picker.value.trim();
    if (!/^[1-9]\d{0,6}$/.test(value) || listed.some((each) => String(each.pid) === value))
      return [];
    return [{ label: l10n.t('PID {0}', value), pid: Number(value), alwaysShow: true }];
  };
  const draw = (): void => {
    picker.items = [...typed(), ...listed];
  };
  picker.onDidChangeValue(draw);
  const picked = new Promise<number | undefined>((resolve) => {
    picker.onDidAccept(() => {
      resolve(picker.selectedItems[0]?.pid);
      picker.hide();
    });
    picker.onDidHide(() => resolve(undefined));
  });
  picker.show();
  try {
    const { candidates } = await device.request(listCandidates, {});
    listed = candidates.map((each) => ({
      label: shorten(each.name, 60),
      description: [String(each.pid), formatPortNumbers(each.ports), formatBytes(each.rssBytes)]
        .filter((part) => part !== '')
        .join(' · '),
      detail: shorten(each.command, 120),
      pid: each.pid,
    }));
    draw();
    picker.busy = false;
    return await picked;
  } finally {
    picker.dispose();
  }
}
