import type { Candidate } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import {
  codeSpan,
  escapeMarkdown,
  formatBytes,
  formatDuration,
  formatPort,
  formatPortNumbers,
  shorten,
} from './format.ts';
import { detailTable } from './markdown.ts';
import type { Row } from './rows.ts';

export function candidateRow(candidate: Candidate): Row {
  const about = [
    String(candidate.pid),
    formatPortNumbers(candidate.ports),
    formatBytes(candidate.rssBytes),
  ];
  return {
    label: shorten(candidate.name, 60),
    description: about.filter((each) => each !== '').join(' · '),
    tooltip: () =>
      [
        `**${escapeMarkdown(candidate.name)}** — ${l10n.t('runs without Flick; adopt it to move it')}`,
        detailTable([
          [l10n.t('Command'), codeSpan(shorten(candidate.command, 300))],
          [l10n.t('PID'), String(candidate.pid)],
          [l10n.t('User'), escapeMarkdown(candidate.user)],
          [l10n.t('Memory'), formatBytes(candidate.rssBytes)],
          [l10n.t('Started'), l10n.t('{0} ago', formatDuration(candidate.uptimeMs))],
          [
            l10n.t('Listens on'),
            candidate.ports.map((each) => codeSpan(formatPort(each))).join(' '),
          ],
        ]),
      ].join('\n\n'),
    icon: 'circle-outline',
    context: 'candidate',
    spoken: l10n.t('Process {0}, PID {1}, can be adopted', candidate.name, candidate.pid),
    away: false,
  };
}

export function candidateGroupRow(problem: string | undefined): Row {
  return {
    label: l10n.t('Can be adopted'),
    description: problem === undefined ? '' : shorten(problem, 120),
    tooltip: () =>
      problem === undefined
        ? l10n.t('Processes that run on the device without Flick.')
        : escapeMarkdown(problem),
    icon: 'list-tree',
    context: 'candidates',
    spoken: l10n.t('Processes that can be adopted'),
    away: false,
  };
}
