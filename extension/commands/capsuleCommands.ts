import * as v from 'valibot';
import * as vscode from 'vscode';
import {
  restoreFromCapsule,
  saveToCapsule,
  surveyCapsules,
  type CapsuleOptions,
  type FoundCapsule,
} from '../../client/capsules.ts';
import type { Device } from '../../client/device.ts';
import {
  capsuleStepLabels,
  name as nameSchema,
  removeCapsule,
  showCapsule,
} from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { capsuleReport } from '../model/capsuleRow.ts';
import { deviceInText, deviceLabel } from '../model/deviceRow.ts';
import { formatBytes, formatDuration, formatTime } from '../model/format.ts';
import { isAlive } from '../model/processRow.ts';
import type { CommandTable, Services } from './services.ts';
import { confirmed, elementsOf, processTargets } from './targets.ts';

type CapsuleCommandId =
  'flick.saveCapsule' | 'flick.restoreCapsule' | 'flick.showCapsule' | 'flick.removeCapsule';

interface CapsuleTarget {
  readonly device: Device;
  readonly id: string;
  readonly name: string;
}

export function capsuleCommands(services: Services): CommandTable<CapsuleCommandId> {
  const { fleet, problems, documents, terminals, tree } = services;
  return {
    'flick.saveCapsule': async (...args) => {
      const title = l10n.t('Save Capsule');
      const [target] = await processTargets(fleet, args, title, isAlive);
      if (target === undefined) return;
      const { device, info } = target;
      const typed = await vscode.window.showInputBox({
        title,
        prompt: l10n.t('A name for the capsule; without one, it is called like the process'),
        validateInput: (value) =>
          value.trim() === ''
            ? undefined
            : v.safeParse(nameSchema, value.trim()).issues?.[0].message,
      });
      if (typed === undefined) return;
      const name = typed.trim() === '' ? undefined : typed.trim();
      const saved = await attempt(
        services,
        { device, title: l10n.t('Saving {0}', info.name) },
        l10n.t('Could not save {0}', info.name),
        (options) => saveToCapsule(device, info.id, { name, ...options }),
      );
      if (saved === undefined) return;
      const { capsule, pauseMs } = saved;
      problems.offer(
        'information',
        l10n.t(
          '{0} is saved as {1} on {2}. It paused for {3} and runs on.',
          info.name,
          capsule.name,
          deviceInText(device),
          formatDuration(pauseMs),
        ),
        [],
      );
    },

    'flick.restoreCapsule': async (...args) => {
      const target = await capsuleTarget(services, args, l10n.t('Restore Capsule'));
      if (target === undefined) return;
      const { device, id, name } = target;
      const restored = await attempt(
        services,
        { device, title: l10n.t('Restoring {0}', name) },
        l10n.t('Could not restore {0}', name),
        (options) => restoreFromCapsule(device, id, options),
      );
      if (restored === undefined) return;
      const { process, remarks } = restored;
      const choices = process.hasTerminal
        ? [
            {
              title: l10n.t('Open Terminal'),
              run: () => terminals.show(device, process),
            },
          ]
        : [];
      const said = l10n.t('{0} runs again on {1}.', process.name, deviceInText(device));
      problems.offer('information', [said, ...remarks].join(' '), choices);
    },

    'flick.showCapsule': async (...args) => {
      const target = await capsuleTarget(services, args, l10n.t('Show Capsule'));
      if (target === undefined) return;
      const { device, id, name } = target;
      const details = await device.request(showCapsule, { capsule: id });
      const { capsules } = tree.elements.device(device);
      const report = capsuleReport(details, (other) => capsules.nameOf(other));
      await documents.showMarkdown(`${device.name}/${name.replace(/[/\\]/g, '∕')}.md`, report);
    },

    'flick.removeCapsule': async (...args) => {
      const title = l10n.t('Remove Capsule');
      const selected = selectedCapsules(args);
      const only = selected.length > 0 ? undefined : await capsuleTarget(services, args, title);
      const targets = only === undefined ? selected : [only];
      if (targets.length === 0) return;
      const names = targets.map((each) => each.name).join(', ');
      const detail = l10n.t('What is in it cannot be had back. Processes made of it run on.');
      if (!(await confirmed(l10n.t('Remove {0}?', names), detail, l10n.t('Remove')))) return;
      for (const { device, id } of targets) await device.request(removeCapsule, { capsule: id });
    },
  };
}

function selectedCapsules(args: readonly unknown[]): readonly CapsuleTarget[] {
  return elementsOf(args).flatMap((each) =>
    each.kind === 'capsule'
      ? [{ device: each.device, id: each.capsule.id, name: each.parent.nameOf(each.capsule.id) }]
      : [],
  );
}

/** The capsule a command was started on, or the one that the person picks. */
async function capsuleTarget(
  { fleet }: Services,
  args: readonly unknown[],
  title: string,
): Promise<CapsuleTarget | undefined> {
  const [selected] = selectedCapsules(args);
  if (selected !== undefined) return selected;
  const connected = fleet.devices.filter((each) => each.state.kind === 'connected');
  const { found } = await surveyCapsules(connected);
  if (found.length === 0) {
    void vscode.window.showInformationMessage(l10n.t('There is no capsule that this fits.'));
    return undefined;
  }
  const now = Date.now();
  const items = found.map((each) => ({
    label: each.info?.name ?? each.id,
    description: describe(each, now),
    target: { device: each.device, id: each.id, name: each.info?.name ?? each.id },
  }));
  const picked = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: l10n.t('Pick a capsule'),
    matchOnDescription: true,
  });
  return picked?.target;
}

function describe({ device, info }: FoundCapsule, now: number): string {
  const about =
    info === undefined
      ? [l10n.t('damaged')]
      : [formatTime(info.savedAt, now), formatBytes(info.sizeBytes)];
  return [deviceLabel(device), ...about].join(' · ');
}

/** Does it with progress that can be cancelled. @returns undefined when it failed, which was reported */
async function attempt<T>(
  { problems }: Services,
  about: { readonly device: Device; readonly title: string },
  doing: string,
  run: (options: CapsuleOptions) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: about.title,
        cancellable: true,
      },
      async (progress, token) => {
        const abort = new AbortController();
        token.onCancellationRequested(() => abort.abort());
        return await run({
          signal: abort.signal,
          onProgress: ({ step, doneBytes, totalBytes }) => {
            const label = l10n.t(capsuleStepLabels[step]);
            const share = Math.floor((100 * doneBytes) / Math.max(totalBytes, 1));
            progress.report({
              message: totalBytes === 0 ? label : l10n.t('{0} ({1} %)', label, share),
            });
          },
        });
      },
    );
  } catch (error) {
    problems.report(doing, error, { device: about.device });
    return undefined;
  }
}
