import type { Finding } from '../protocol/index.ts';
import { escapeControl } from './text.ts';

const marks = { blocks: '✗ blocks', warns: '! warns ', notes: '· notes ' } as const;
const order = ['blocks', 'warns', 'notes'] as const;

/** Findings for people, the gravest first, each with its remedy indented below it. Empty without findings. */
export function formatFindings(findings: readonly Finding[], indent = ''): string {
  return order
    .flatMap((severity) => findings.filter((each) => each.severity === severity))
    .flatMap((each) => [
      `${indent}${marks[each.severity]}  ${escapeControl(each.what)}`,
      ...(each.remedy === undefined ? [] : [`${indent}          → ${escapeControl(each.remedy)}`]),
    ])
    .join('\n');
}
