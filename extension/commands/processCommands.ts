import * as vscode from 'vscode';
import type { Device } from '../../client/device.ts';
import {
  cancelHandoff,
  forgetProcess,
  name as nameSchema,
  renameProcess,
  signalProcess,
  type ProcessInfo,
} from '../../protocol/index.ts';
import * as v from 'valibot';
import { l10n } from '../l10n.ts';
import { isAlive, isEnded } from '../model/processRow.ts';
import type { PlannedMove } from '../moves/plan.ts';
import type { CommandTable, Services } from './services.ts';
import { resolveDoubt } from './resolveDoubt.ts';
import { confirmed, pickDevice, processTargets } from './targets.ts';

/** How long a process gets to end by itself before the harder way is offered, in ms. */
const patienceMs = 5000;

type ProcessCommandId =
  | 'flick.moveProcess'
  | 'flick.cancelMove'
  | 'flick.openTerminal'
  | 'flick.stopProcess'
  | 'flick.showLog'
  | 'flick.renameProcess'
  | 'flick.forgetProcess'
  | 'flick.copyProcessId'
  | 'flick.resolveDoubt';

export function processCommands(services: Services): CommandTable<ProcessCommandId> {
  const { fleet, terminals, mover } = services;
  const one = async (
    args: readonly unknown[],
    title: string,
    fits: (info: ProcessInfo) => boolean,
  ): Promise<{ device: Device; info: ProcessInfo } | undefined> =>
    (await processTargets(fleet, args, title, fits))[0];

  return {
    'flick.moveProcess': async (...args) => {
      const title = l10n.t('Move Process to Device');
      const targets = await processTargets(fleet, args, title, isAlive, { many: true });
      if (targets.length === 0) return;
      const sources = new Set(targets.map((each) => each.device));
      const others = fleet.devices.filter((each) => sources.size > 1 || !sources.has(each));
      const named = fleet.devices.find((each) => each.name === args[1]);
      const to = named ?? (await pickDevice(others, title));
      if (to === undefined) return;
      const moves: PlannedMove[] = targets
        .filter((each) => each.device !== to)
        .map(({ device, info }) => ({
          from: device,
          processId: info.id,
          processName: info.name,
          to,
        }));
      await mover.run({ moves, left: [] });
    },

    'flick.cancelMove': async (...args) => {
      const target = await one(args, l10n.t('Cancel Move'), (info) => info.state === 'moving');
      const handoff = target?.info.movement?.handoff;
      if (target === undefined || handoff === undefined) return;
      const { cancelled } = await target.device.request(cancelHandoff, { handoff });
      if (cancelled) return;
      void vscode.window.showInformationMessage(
        l10n.t('It is too late to cancel: {0} has been passed on already.', target.info.name),
      );
    },

    'flick.openTerminal': async (...args) => {
      const title = l10n.t('Open Terminal');
      const fits = (info: ProcessInfo): boolean => info.hasTerminal && !isEnded(info);
      const target = await one(args, title, fits);
      if (target !== undefined) terminals.show(target.device, target.info);
    },

    'flick.stopProcess': async (...args) => {
      const targets = await processTargets(fleet, args, l10n.t('Stop Process'), isAlive, {
        many: true,
      });
      if (targets.length === 0) return;
      const names = targets.map((each) => each.info.name).join(', ');
      const detail = l10n.t('It is asked to end (SIGTERM). What it has in memory is gone then.');
      if (!(await confirmed(l10n.t('Stop {0}?', names), detail, l10n.t('Stop')))) return;
      await Promise.all(targets.map(async (target) => stop(services, target.device, target.info)));
    },

    'flick.showLog': async (...args) => {
      const target = await one(args, l10n.t('Show Log'), () => true);
      if (target === undefined) return;
      const text = await terminals.readAll(target.device, target.info);
      await services.documents.show(`${target.device.name}/${safe(target.info.name)}.log`, text);
    },

    'flick.renameProcess': async (...args) => {
      const target = await one(args, l10n.t('Rename Process'), () => true);
      if (target === undefined) return;
      const typed = await vscode.window.showInputBox({
        title: l10n.t('Rename Process'),
        value: target.info.name,
        validateInput: (value) => v.safeParse(nameSchema, value.trim()).issues?.[0].message,
      });
      if (typed === undefined || typed.trim() === target.info.name) return;
      await target.device.request(renameProcess, { id: target.info.id, name: typed.trim() });
    },

    'flick.forgetProcess': async (...args) => {
      const fits = (info: ProcessInfo): boolean => isEnded(info) || info.origin === 'adopted';
      const targets = await processTargets(fleet, args, l10n.t('Forget Process'), fits, {
        many: true,
      });
      for (const { device, info } of targets) {
        await device.request(forgetProcess, { id: info.id });
      }
    },

    'flick.copyProcessId': async (...args) => {
      const target = await one(args, l10n.t('Copy Process Id'), () => true);
      if (target !== undefined) await vscode.env.clipboard.writeText(target.info.id);
    },

    'flick.resolveDoubt': async (...args) => {
      const title = l10n.t('Resolve Move in Doubt');
      const target = await one(args, title, (info) => info.state === 'inDoubt');
      if (target !== undefined) await resolveDoubt(services, target.device, target.info);
    },
  };
}

async function stop({ problems }: Services, device: Device, info: ProcessInfo): Promise<void> {
  const { id, name } = info;
  await device.request(signalProcess, { id, signal: 'SIGTERM' });
  if (await hasEnded(device, id)) return;
  problems.offer('warning', l10n.t('{0} has not ended yet.', name), [
    {
      title: l10n.t('Kill It'),
      run: () => device.request(signalProcess, { id, signal: 'SIGKILL' }),
    },
  ]);
}

/** Waits for the process to end, but not for long. */
async function hasEnded(device: Device, id: string): Promise<boolean> {
  const gone = (): boolean => {
    const info = device.processes.find((each) => each.id === id);
    return info === undefined || isEnded(info);
  };
  if (gone()) return true;
  return new Promise((resolve) => {
    const finish = (result: boolean): void => {
      clearTimeout(timer);
      listening.dispose();
      resolve(result);
    };
    const timer = setTimeout(() => finish(false), patienceMs);
    const listening = device.onDidChangeProcesses(() => {
      if (gone()) finish(true);
    });
  });
}

function safe(name: string): string {
  return name.replace(/[/\\]/g, '∕');
}
