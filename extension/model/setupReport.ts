import type { SetupPlan } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { codeSpan, escapeMarkdown } from './format.ts';

/** What setting a device up (or undoing it) would do, as Markdown, to be read before it is asked about. */
export function setupReport(deviceName: string, plan: SetupPlan, undo: boolean): string {
  const title = undo
    ? l10n.t('Undo the setup of {0}', deviceName)
    : l10n.t('Set up {0}', deviceName);
  const parts = [`# ${escapeMarkdown(title)}`];
  plan.steps.forEach((step, index) => {
    parts.push(
      `${String(index + 1)}. **${escapeMarkdown(step.what)}**  \n   ${escapeMarkdown(step.why)}  \n   ${codeSpan(step.command)}`,
    );
  });
  if (plan.leftOut.length > 0) {
    parts.push(
      `## ${l10n.t('Left out')}`,
      plan.leftOut.map((each) => `- ${escapeMarkdown(each)}`).join('\n'),
    );
  }
  return `${parts.join('\n\n')}\n`;
}
