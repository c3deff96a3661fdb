import type { Finding } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { codeSpan, escapeMarkdown } from './format.ts';

/** A two-column table without a heading; rows with an empty value are left out. */
export function detailTable(rows: readonly (readonly [name: string, markdown: string])[]): string {
  const filled = rows.filter(([, value]) => value !== '');
  if (filled.length === 0) return '';
  const lines = filled.map(([name, value]) => `| ${escapeMarkdown(name)} | ${cell(value)} |`);
  return ['| | |', '|:--|:--|', ...lines].join('\n');
}

/** GitHub's tables end a cell at every bare pipe, even inside code. */
function cell(markdown: string): string {
  return markdown.replace(/(?<!\\)\|/g, '\\|');
}

function verdict({ severity }: Finding): string {
  switch (severity) {
    case 'blocks':
      return l10n.t('In the way');
    case 'warns':
      return l10n.t('Warning');
    case 'notes':
      return l10n.t('Note');
  }
}

/** A bulleted list of what a check found, each with its remedy. */
export function findingsList(findings: readonly Finding[]): string {
  return findings
    .map((each) => {
      const where = each.pid === undefined ? '' : ` (${l10n.t('process {0}', each.pid)})`;
      const remedy = each.remedy === undefined ? '' : `  \n  → ${withCode(each.remedy)}`;
      return `- **${verdict(each)}:** ${withCode(each.what)}${where}${remedy}`;
    })
    .join('\n');
}

/** Escapes a sentence but keeps what it sets in backticks as code, so that commands can be copied. */
function withCode(sentence: string): string {
  return sentence
    .split(/(`[^`]+`)/)
    .map((part) =>
      part.length > 2 && part.startsWith('`') ? codeSpan(part.slice(1, -1)) : escapeMarkdown(part),
    )
    .join('');
}
