import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';
import * as vscode from 'vscode';
import type { Device } from '../../client/device.ts';
import {
  checkDeviceEntry,
  parseDeviceAddress,
  type DeviceEntry,
} from '../../client/deviceEntry.ts';
import { describeDevice } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { suggestName } from '../model/address.ts';
import { deviceInText } from '../model/deviceRow.ts';
import { describeProblem } from '../model/problem.ts';
import type { CommandTable, Services } from './services.ts';
import { sshHosts } from './sshHosts.ts';
import { confirmed, deviceTarget } from './targets.ts';

type DeviceCommandId =
  | 'flick.addDevice'
  | 'flick.removeDevice'
  | 'flick.connect'
  | 'flick.disconnect'
  | 'flick.retryNow'
  | 'flick.refresh'
  | 'flick.showOutput';

export function deviceCommands(services: Services): CommandTable<DeviceCommandId> {
  const { fleet, output, problems, tree } = services;
  const isState =
    (...kinds: readonly Device['state']['kind'][]) =>
    (device: Device): boolean =>
      kinds.includes(device.state.kind);
  return {
    'flick.addDevice': async () => {
      const taken = fleet.devices.map((each) => each.name);
      const entry = await askForEntry(taken);
      if (entry === undefined) return;
      const device = await fleet.addDevice(entry);
      connectInBackground(services, device);
    },

    'flick.removeDevice': async (...args) => {
      const title = l10n.t('Remove Device');
      const device = await deviceTarget(fleet, args, title, (each) => !each.isLocal);
      if (device === undefined || device.isLocal) return;
      const running = device.processes.filter((each) => each.pid !== null).length;
      const detail =
        running === 0
          ? l10n.t('The agent stays on it until “Remove Agent from Device”.')
          : l10n.t(
              '{0} processes there run on, and are found again when it is added again.',
              running,
            );
      const question = l10n.t('Remove {0} from the list?', device.name);
      if (await confirmed(question, detail, l10n.t('Remove')))
        await fleet.removeDevice(device.name);
    },

    'flick.connect': async (...args) => {
      const fits = isState('disconnected', 'failed', 'waiting');
      const device = await deviceTarget(fleet, args, l10n.t('Connect to Device'), fits);
      if (device !== undefined) connectInBackground(services, device);
    },

    'flick.disconnect': async (...args) => {
      const fits = isState('connected', 'connecting', 'installing', 'waiting');
      const device = await deviceTarget(fleet, args, l10n.t('Disconnect from Device'), fits);
      device?.disconnect();
    },

    'flick.retryNow': async (...args) => {
      const device = await deviceTarget(fleet, args, l10n.t('Retry Now'), isState('waiting'));
      device?.retryNow();
    },

    'flick.refresh': async () => {
      const connected = fleet.devices.filter(isState('connected'));
      for (const device of connected) {
        const { candidates, capsules } = tree.elements.device(device);
        candidates.listed = undefined;
        capsules.listed = undefined;
      }
      const failures = await Promise.all(
        connected.map(async (device) => {
          try {
            await device.request(describeDevice, { refresh: true });
            return undefined;
          } catch (error) {
            return describeProblem(deviceInText(device), error).message;
          }
        }),
      );
      tree.refresh();
      const told = failures.filter((each) => each !== undefined);
      if (told.length > 0) problems.offer('warning', told.join(' '), []);
    },

    'flick.showOutput': async () => {
      output.show();
      return Promise.resolve();
    },
  };
}

/**
 * Connects with a sign of life in the status bar; a failure is told with what can be done about it. With `quiet`, which
 * is for what nobody asked for, it shows in the tree only.
 */
export function connectInBackground(
  { problems }: Services,
  device: Device,
  options: { readonly quiet?: boolean } = {},
): void {
  const name = deviceInText(device);
  const connect = async (): Promise<void> => {
    try {
      await device.connect();
    } catch (error) {
      if (options.quiet === true) return;
      problems.report(l10n.t('Could not connect to {0}', name), error, {
        choices: [
          {
            title: l10n.t('Retry'),
            run: () => vscode.commands.executeCommand('flick.connect', device.name),
          },
        ],
      });
    }
  };
  const title = l10n.t('Connecting to {0}', name);
  void vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title }, connect);
}

/** Asks where the device is, what it is called, and for a host that was typed also for a key. */
async function askForEntry(taken: readonly string[]): Promise<DeviceEntry | undefined> {
  const address = await askForAddress();
  if (address === undefined) return undefined;
  const named = await vscode.window.showInputBox({
    title: l10n.t('Add Device: Name'),
    prompt: l10n.t('What the device is called in Flick'),
    value: suggestName(parseDeviceAddress('device', address.text).host, taken),
    ignoreFocusOut: true,
    validateInput: (value) => {
      if (taken.includes(value.trim())) return l10n.t('There already is a device of that name.');
      return complaint(() => checkDeviceEntry({ name: value.trim(), host: 'host' }));
    },
  });
  if (named === undefined) return undefined;
  const identityFile = address.isKnownHost ? undefined : await askForIdentity();
  if (identityFile === null) return undefined;
  return parseDeviceAddress(named.trim(), address.text, { identityFile });
}

interface HostItem extends vscode.QuickPickItem {
  readonly host: string | undefined;
}

async function askForAddress(): Promise<
  { readonly text: string; readonly isKnownHost: boolean } | undefined
> {
  const hosts = await sshHosts();
  if (hosts.length > 0) {
    const items: HostItem[] = [
      { label: l10n.t('$(edit) Type an Address…'), host: undefined, alwaysShow: true },
      {
        label: l10n.t('SSH configuration'),
        kind: vscode.QuickPickItemKind.Separator,
        host: undefined,
      },
      ...hosts.map((host) => ({ label: host, host })),
    ];
    const picked = await vscode.window.showQuickPick(items, {
      title: l10n.t('Add Device'),
      placeHolder: l10n.t('Pick a host of your SSH configuration, or type an address'),
      ignoreFocusOut: true,
    });
    if (picked === undefined) return undefined;
    if (picked.host !== undefined) return { text: picked.host, isKnownHost: true };
  }
  const typed = await vscode.window.showInputBox({
    title: l10n.t('Add Device: Address'),
    prompt: l10n.t('How the device is reached over SSH'),
    placeHolder: 'user@host:port',
    ignoreFocusOut: true,
    validateInput: (value) =>
      value.trim() === '' ? undefined : complaint(() => parseDeviceAddress('device', value.trim())),
  });
  const text = typed?.trim() ?? '';
  return text === '' ? undefined : { text, isKnownHost: false };
}

/** @returns undefined to leave the choice to the SSH configuration and agent, null when the person gave up. */
async function askForIdentity(): Promise<string | undefined | null> {
  const automatic = l10n.t('As SSH Is Configured');
  const picked = await vscode.window.showQuickPick(
    [
      {
        label: automatic,
        description: l10n.t('SSH agent, default keys, or what your SSH configuration says'),
      },
      { label: l10n.t('Choose a Key File…') },
    ],
    { title: l10n.t('Add Device: Key'), ignoreFocusOut: true },
  );
  if (picked === undefined) return null;
  if (picked.label === automatic) return undefined;
  const typed = await vscode.window.showInputBox({
    title: l10n.t('Add Device: Key File'),
    prompt: l10n.t('Path of the private key'),
    value: join(homedir(), '.ssh', 'id_ed25519'),
    ignoreFocusOut: true,
    validateInput: async (value) => {
      try {
        await access(absolute(value));
        return undefined;
      } catch {
        return l10n.t('There is no such file.');
      }
    },
  });
  return typed === undefined ? null : absolute(typed);
}

function absolute(path: string): string {
  const trimmed = path.trim();
  return trimmed.startsWith('~/') ? join(homedir(), trimmed.slice(2)) : resolvePath(trimmed);
}

/** The sentence with which a check refuses, or undefined when it does not. */
function complaint(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
