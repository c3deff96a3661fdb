import { l10n } from '../l10n.ts';
import { describeState, type DeviceFacts } from './deviceRow.ts';
import { escapeMarkdown, formatBytes } from './format.ts';
import { detailTable, findingsList } from './markdown.ts';

/** What the doctor says of all devices, as Markdown. `problems` names devices that could not be asked, with why. */
export function doctorReport(
  devices: readonly DeviceFacts[],
  problems: ReadonlyMap<string, string>,
  now: number,
): string {
  const parts = [`# ${l10n.t('Flick Doctor')}`];
  for (const device of devices) {
    const { description } = device;
    const title = device.isLocal ? l10n.t('{0} (this computer)', device.name) : device.name;
    parts.push(`## ${escapeMarkdown(title)}`);
    const problem = problems.get(device.name);
    if (problem !== undefined) parts.push(`**${escapeMarkdown(problem)}**`);
    if (description === undefined) {
      if (problem === undefined) parts.push(escapeMarkdown(describeState(device, now)));
      continue;
    }
    parts.push(
      detailTable([
        [l10n.t('Connection'), escapeMarkdown(describeState(device, now))],
        [l10n.t('Host'), escapeMarkdown(description.hostName)],
        [l10n.t('User'), escapeMarkdown(description.user.name)],
        [
          l10n.t('System'),
          escapeMarkdown(
            `${description.distribution}, ${description.platform} ${description.kernel}, ${description.architecture}`,
          ),
        ],
        [l10n.t('Node.js'), escapeMarkdown(description.nodeVersion)],
        [l10n.t('Disk free'), formatBytes(description.freeDiskBytes)],
        [
          l10n.t('Cells'),
          description.userNamespaces
            ? l10n.t('in user namespaces, without root')
            : l10n.t('without user namespaces'),
        ],
        [
          l10n.t('Adopting'),
          description.user.uid === 0 || description.privilegedHelper
            ? l10n.t('possible')
            : l10n.t('needs password-less sudo'),
        ],
      ]),
    );
    for (const engine of description.engines) {
      const version = engine.version === undefined ? '' : ` ${engine.version}`;
      const verdict = engine.available
        ? l10n.t('{0} works.', `${engine.engine}${version}`)
        : l10n.t('{0} does not work here yet.', `${engine.engine}${version}`);
      parts.push(`### ${l10n.t('Engine {0}', engine.engine)}`, escapeMarkdown(verdict));
      if (engine.findings.length > 0) parts.push(findingsList(engine.findings));
    }
  }
  return `${parts.join('\n\n')}\n`;
}
