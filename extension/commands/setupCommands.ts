import * as vscode from 'vscode';
import type { Device } from '../../client/device.ts';
import { applyDeviceSetup, planDeviceSetup } from '../../client/setup.ts';
import { describeDevice, type SetupPlan } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { deviceInText } from '../model/deviceRow.ts';
import { doctorReport } from '../model/doctorReport.ts';
import { describeProblem } from '../model/problem.ts';
import { setupReport } from '../model/setupReport.ts';
import type { Choice } from '../problems.ts';
import type { CommandTable, Services } from './services.ts';
import { confirmed, deviceTarget, elementsOf } from './targets.ts';

type SetupCommandId =
  'flick.doctor' | 'flick.setUpDevice' | 'flick.removeAgent' | 'flick.showAgentLog';

export function setupCommands(services: Services): CommandTable<SetupCommandId> {
  const { fleet, problems } = services;
  const connected = (device: Device): boolean => device.state.kind === 'connected';
  return {
    'flick.doctor': async (...args) => {
      const [element] = elementsOf(args);
      await showDoctor(services, element === undefined ? fleet.devices : [element.device]);
    },

    'flick.setUpDevice': async (...args) => {
      const device = await deviceTarget(fleet, args, l10n.t('Set Up Device'), connected);
      if (device !== undefined) await setUp(services, device);
    },

    'flick.removeAgent': async (...args) => {
      const title = l10n.t('Remove Agent from Device');
      const device = await deviceTarget(fleet, args, title, connected);
      if (device === undefined) return;
      const name = deviceInText(device);
      const running = device.processes.filter((each) => each.pid !== null).length;
      const detail =
        running === 0
          ? l10n.t('Everything that Flick has put on it is deleted. The device stays in the list.')
          : l10n.t(
              '{0} processes run there; they end. Everything that Flick has put on it is deleted.',
              running,
            );
      const question = l10n.t('Remove Flick’s agent from {0}?', name);
      if (!(await confirmed(question, detail, l10n.t('Remove')))) return;
      await fleet.removeAgent(device, { force: running > 0 });
      problems.offer('information', l10n.t('Flick’s agent is gone from {0}.', name), []);
    },

    'flick.showAgentLog': async (...args) => {
      const device = await deviceTarget(fleet, args, l10n.t('Show Agent Log'), connected);
      if (device !== undefined) await services.logs.open(device);
    },
  };
}

async function showDoctor({ documents }: Services, devices: readonly Device[]): Promise<void> {
  const failures = new Map<string, string>();
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: l10n.t('Asking the devices') },
    async () => {
      await Promise.all(
        devices.map(async (device) => {
          if (device.state.kind !== 'connected') {
            if (device.state.kind === 'waiting' || device.state.kind === 'failed') {
              const doing = l10n.t('Could not connect');
              failures.set(device.name, describeProblem(doing, device.state.error).message);
            }
            return;
          }
          try {
            await device.request(describeDevice, { refresh: true });
          } catch (error) {
            failures.set(device.name, describeProblem(l10n.t('Could not ask'), error).message);
          }
        }),
      );
    },
  );
  await documents.showMarkdown(
    l10n.t('Flick Doctor.md'),
    doctorReport(devices, failures, Date.now()),
  );
}

/** Sets a device up; with nothing left to do, what was done can be undone. */
async function setUp(services: Services, device: Device): Promise<void> {
  const { bundle, problems } = services;
  const name = deviceInText(device);
  const plan = await planDeviceSetup(device, { bundle });
  if (plan.steps.length > 0) {
    await carryOut(services, device, plan, false);
    return;
  }
  const undo = await planDeviceSetup(device, { undo: true });
  const message =
    plan.leftOut.length === 0
      ? l10n.t('Nothing is left to set up on {0}.', name)
      : l10n.t('Flick cannot set up more on {0}: {1}', name, plan.leftOut.join(' '));
  problems.offer(
    plan.leftOut.length === 0 ? 'information' : 'warning',
    message,
    undo.steps.length === 0 ? [] : [undoChoice(services, device)],
  );
}

function undoChoice(services: Services, device: Device): Choice {
  return {
    title: l10n.t('Undo Setup…'),
    run: async () => {
      await carryOut(services, device, await planDeviceSetup(device, { undo: true }), true);
    },
  };
}

/** Shows the plan, asks, and does exactly what it says. */
async function carryOut(
  services: Services,
  device: Device,
  plan: SetupPlan,
  undo: boolean,
): Promise<void> {
  const { bundle, documents, problems } = services;
  const name = deviceInText(device);
  const title = undo
    ? l10n.t('Undo setup of {0}.md', device.name)
    : l10n.t('Set up {0}.md', device.name);
  await documents.showMarkdown(title, setupReport(name, plan, undo));
  const question = undo ? l10n.t('Undo the setup of {0}?', name) : l10n.t('Set up {0}?', name);
  const action = undo ? l10n.t('Undo') : l10n.t('Set Up');
  if (!(await confirmed(question, stepLines(plan), action))) return;
  const { done, failed } = await vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: undo ? l10n.t('Undoing the setup of {0}', name) : l10n.t('Setting up {0}', name),
    },
    async () => applyDeviceSetup(device, plan, undo ? undefined : bundle),
  );
  await device.request(describeDevice, { refresh: true });
  if (failed.length > 0) {
    const why = failed.map((each) => each.message).join(' ');
    problems.offer('error', l10n.t('Not everything worked on {0}: {1}', name, why), [
      { title: l10n.t('Run Doctor'), run: () => vscode.commands.executeCommand('flick.doctor') },
    ]);
    return;
  }
  const message = undo
    ? l10n.t('The setup of {0} is undone.', name)
    : l10n.t('{0} is set up: {1}.', name, done.join(', '));
  problems.offer('information', message, undo ? [] : [undoChoice(services, device)]);
}

function stepLines({ steps, leftOut }: SetupPlan): string {
  return [...steps.map((each) => `• ${each.what}`), ...leftOut.map((each) => `– ${each}`)].join(
    '\n',
  );
}
