import type { MoveCheck } from '../../client/move.ts';
import type { Finding, HandoffOutcome } from '../../protocol/index.ts';
import type { ConfirmMove } from '../ids.ts';
import { l10n } from '../l10n.ts';
import { formatBytes, formatDuration } from '../model/format.ts';

export interface CheckedMove {
  readonly processName: string;
  readonly from: string;
  readonly to: string;
  readonly check: MoveCheck;
}

/** Whether a person is asked before these moves, by the setting `flick.confirmMove`. */
export function mustConfirm(setting: ConfirmMove, moves: readonly CheckedMove[]): boolean {
  switch (setting) {
    case 'always':
      return true;
    case 'whenWarnings':
      return moves.some((move) => move.check.findings.some((each) => each.severity === 'warns'));
    case 'never':
      return false;
  }
}

/** The heading and body of the dialog that asks before a move. Plain text: dialogs show no Markdown. */
export function confirmation(moves: readonly CheckedMove[]): {
  readonly message: string;
  readonly detail: string;
} {
  const [first] = moves;
  const message =
    moves.length === 1 && first !== undefined
      ? l10n.t('Move {0} from {1} to {2}?', first.processName, first.from, first.to)
      : l10n.t('Move {0} processes to {1}?', moves.length, first?.to ?? '');
  return { message, detail: moves.map((move) => detailOf(move, moves.length > 1)).join('\n\n') };
}

function detailOf({ processName, from, check }: CheckedMove, named: boolean): string {
  const lines = named ? [l10n.t('{0}, from {1}:', processName, from)] : [];
  const memory = formatBytes(check.memoryBytes);
  lines.push(
    check.missingBytes > 0
      ? l10n.t('{0} of memory and {1} of files go along.', memory, formatBytes(check.missingBytes))
      : l10n.t('{0} of memory goes along.', memory),
  );
  lines.push(...engineLines(check));
  const { forecast } = check;
  const expected = [roughly(forecast.pauseMs), roughly(forecast.totalMs)] as const;
  lines.push(
    forecast.basis === 'moves'
      ? l10n.t(
          'Going by earlier moves it is paused for about {0}; the move takes about {1} in all.',
          ...expected,
        )
      : l10n.t(
          'Going by the speed of the link it is paused for about {0}; the move takes about {1} in all.',
          ...expected,
        ),
  );
  if (forecast.way === 'post-copy') lines.push(l10n.t('Some of its memory may follow later.'));
  const shown = findingLines(check.findings);
  lines.push(...(shown.length === 0 ? [l10n.t('The check found nothing in the way.')] : shown));
  return lines.join('\n');
}

/** How it is moved, where that is not by CRIU. */
export function engineLines({
  engine,
  engineReason,
}: Pick<MoveCheck, 'engine' | 'engineReason'>): string[] {
  if (engine === 'criu') return [];
  const how = l10n.t('The portable engine moves it.');
  return [engineReason === null ? how : `${how} ${engineReason}`];
}

/** An estimate must not look like a measurement. */
function roughly(milliseconds: number): string {
  const grain = milliseconds < 1000 ? 50 : 500;
  return formatDuration(Math.max(grain, Math.round(milliseconds / grain) * grain));
}

/** One line for each finding with its remedy below it, what forbids the move first. */
export function findingLines(findings: readonly Finding[]): string[] {
  const order = ['blocks', 'warns', 'notes'];
  const sorted = [...findings].sort(
    (a, b) => order.indexOf(a.severity) - order.indexOf(b.severity),
  );
  return sorted.flatMap((each) => [
    `${each.severity === 'notes' ? '•' : each.severity === 'warns' ? '⚠' : '✖'} ${each.what}`,
    ...(each.remedy === undefined ? [] : [`   → ${each.remedy}`]),
  ]);
}

/** Says in one sentence why a move that the check forbids does not happen. */
export function refusal(processName: string, to: string, findings: readonly Finding[]): string {
  const blocking = findings.filter((each) => each.severity === 'blocks');
  const [first] = blocking;
  if (first === undefined) return l10n.t('{0} cannot move to {1}.', processName, to);
  const remedy = first.remedy === undefined ? '' : ` ${first.remedy}`;
  const more =
    blocking.length === 1 ? '' : ` ${l10n.t('({0} more in the details)', blocking.length - 1)}`;
  return `${l10n.t('{0} cannot move to {1}:', processName, to)} ${first.what}${remedy}${more}`;
}

/** What a person reads when a move has gone well. */
export function summary(processName: string, to: string, outcome: HandoffOutcome): string {
  // A move that was settled after its link broke has no measured times.
  if (outcome.downtimeMs === 0) return l10n.t('{0} now runs on {1}.', processName, to);
  const figures = l10n.t(
    '{0} now runs on {1}. It was paused for {2}; {3} were sent in {4}.',
    processName,
    to,
    formatDuration(outcome.downtimeMs),
    formatBytes(outcome.bytesSent),
    formatDuration(outcome.totalMs),
  );
  const { memory } = outcome;
  return memory === undefined ? figures : `${figures} ${describeWay(memory)}`;
}

/** How the memory went, in words. */
function describeWay({ way, missingBytes }: NonNullable<HandoffOutcome['memory']>): string {
  switch (way) {
    case 'stop-and-copy':
      return l10n.t('Its memory went while it stood still.');
    case 'pre-copy':
      return l10n.t('Most of its memory went while it still ran.');
    case 'post-copy':
      return missingBytes > 0
        ? l10n.t('{0} of its memory still follow while it runs.', formatBytes(missingBytes))
        : l10n.t('Some of its memory followed when it ran already.');
  }
}
