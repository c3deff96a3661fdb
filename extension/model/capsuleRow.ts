import type { CapsuleDetails, CapsuleInfo } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { joinCommandLine } from './commandLine.ts';
import {
  codeSpan,
  escapeMarkdown,
  formatBytes,
  formatDuration,
  formatPort,
  formatTime,
  shorten,
} from './format.ts';
import { detailTable } from './markdown.ts';
import { colors, type Row } from './rows.ts';

/** A capsule as a device lists it; of a damaged one nothing is known but its id and what is wrong. */
export type ListedCapsule =
  | { readonly id: string; readonly info: CapsuleInfo }
  | { readonly id: string; readonly damage: string };

/** What people call another capsule of the same device: its name while it is there, else its id. */
export type NameOfCapsule = (id: string) => string;

export function capsuleGroupRow(problem: string | undefined): Row {
  return {
    label: l10n.t('Capsules'),
    description: problem === undefined ? '' : shorten(problem, 120),
    tooltip: () =>
      problem === undefined
        ? l10n.t('Processes that were saved on the device and can be restored there.')
        : escapeMarkdown(problem),
    icon: 'archive',
    context: 'capsules',
    spoken: l10n.t('Capsules'),
    away: false,
  };
}

export function capsuleRow(capsule: ListedCapsule, nameOf: NameOfCapsule, now: number): Row {
  if ('damage' in capsule) {
    return {
      label: capsule.id,
      description: l10n.t('damaged'),
      tooltip: () => escapeMarkdown(capsule.damage),
      icon: 'warning',
      color: colors.bad,
      context: 'capsule damaged',
      spoken: l10n.t('Capsule {0}, damaged', capsule.id),
      away: false,
    };
  }
  const { name, savedAt, device, sizeBytes, parent } = capsule.info;
  const about = [
    formatTime(savedAt, now),
    device.hostName,
    formatBytes(sizeBytes),
    parent === null ? '' : l10n.t('after {0}', nameOf(parent)),
  ];
  return {
    label: name,
    description: about.filter((each) => each !== '').join(' · '),
    tooltip: () =>
      [`**${escapeMarkdown(name)}**`, detailTable(details(capsule.info, nameOf))].join('\n\n'),
    icon: 'package',
    context: 'capsule whole',
    spoken: l10n.t('Capsule {0}, saved {1}', name, formatTime(savedAt, now)),
    away: false,
  };
}

/** All that a device tells of a capsule, as Markdown. */
export function capsuleReport(capsule: CapsuleDetails, nameOf: NameOfCapsule): string {
  const { needs, ports, files, fileBytes, imageBytes, ownBytes, largestFiles } = capsule;
  const parts = [
    `# ${escapeMarkdown(capsule.name)}`,
    detailTable([
      ...details(capsule, nameOf),
      [l10n.t('Paused for'), formatDuration(capsule.pauseMs)],
      [l10n.t('Engine'), escapeMarkdown(capsule.engine)],
      [
        l10n.t('Needs'),
        l10n.t(
          '{0}, saved on Linux {1}',
          escapeMarkdown(needs.architecture),
          escapeMarkdown(needs.kernel),
        ),
      ],
      [l10n.t('Listens on'), ports.map((each) => codeSpan(formatPort(each))).join(' ')],
      [l10n.t('Memory'), formatBytes(imageBytes)],
      [l10n.t('Files'), l10n.t('{0}, {1}', files, formatBytes(fileBytes))],
      [l10n.t('On disk'), l10n.t('{0} that no other capsule needs', formatBytes(ownBytes))],
    ]),
  ];
  if (largestFiles.length > 0) {
    parts.push(
      `## ${l10n.t('Largest Files')}`,
      largestFiles.map(({ path, size }) => `- ${codeSpan(path)} ${formatBytes(size)}`).join('\n'),
    );
  }
  return `${parts.join('\n\n')}\n`;
}

function details(
  info: CapsuleInfo,
  nameOf: NameOfCapsule,
): (readonly [name: string, markdown: string])[] {
  return [
    [l10n.t('Saved'), formatTime(info.savedAt, Date.now())],
    [l10n.t('From'), escapeMarkdown(info.device.hostName)],
    [l10n.t('Process'), escapeMarkdown(info.process.name)],
    [l10n.t('Command'), codeSpan(shorten(joinCommandLine(info.process.command), 300))],
    [l10n.t('Directory'), codeSpan(info.process.cwd)],
    [l10n.t('Size'), formatBytes(info.sizeBytes)],
    [l10n.t('Parent'), info.parent === null ? '' : escapeMarkdown(nameOf(info.parent))],
    [l10n.t('Id'), codeSpan(info.id)],
  ];
}
