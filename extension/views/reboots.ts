import * as vscode from 'vscode';
import type { Device } from '../../client/device.ts';
import type { Fleet } from '../../client/fleet.ts';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import type { ProcessInfo } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';

/** Says when a device comes back after a restart, and which processes it lost by it. */
export function announceReboots(fleet: Fleet): Disposable {
  const store = new DisposableStore();
  const followed = new Set<Device>();
  const follow = (): void => {
    for (const device of fleet.devices) {
      if (followed.has(device)) continue;
      followed.add(device);
      store.add(device.onDidReboot((lost) => void announce(device, lost)));
    }
  };
  follow();
  store.add(fleet.onDidChangeDevices(follow));
  return store;
}

async function announce(device: Device, lost: readonly ProcessInfo[]): Promise<void> {
  if (lost.length === 0) {
    await vscode.window.showInformationMessage(l10n.t('{0} was restarted.', device.name));
    return;
  }
  const names = lost.map((each) => each.name).join(', ');
  await vscode.window.showWarningMessage(
    l10n.t('{0} was restarted. What ran there was lost: {1}', device.name, names),
  );
}
