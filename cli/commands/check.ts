import type { Command } from 'commander';
import type { MoveCheck } from '../../client/move.ts';
import type { EngineWish } from '../../client/engineChoice.ts';
import { blocks } from '../../protocol/index.ts';
import { describeEngine, engineOption } from '../engine.ts';
import { leaf, type Cli, type SetStatus } from '../cli.ts';
import { exitStatuses } from '../errors.ts';
import { formatFindings } from '../findings.ts';
import { escapeControl, formatBytes, formatDuration } from '../text.ts';

/** What goes over, in a few words. */
export function describeAmount({ memoryBytes, missingBytes }: MoveCheck): string {
  const memory = `${formatBytes(memoryBytes)} of memory`;
  return missingBytes === 0 ? memory : `${memory} and ${formatBytes(missingBytes)} of files`;
}

function describeForecast({ forecast: { pauseMs, totalMs, basis, way } }: MoveCheck): string {
  const source = basis === 'moves' ? 'earlier moves' : 'the speed of the link';
  const late = way === 'post-copy' ? ' Some of its memory may follow later.' : '';
  return ` Going by ${source} it pauses for about ${formatDuration(pauseMs)}; the move takes about ${formatDuration(totalMs)} in all.${late}`;
}

export function registerCheck(program: Command, cli: Cli, setStatus: SetStatus): void {
  leaf(
    program,
    'check <process> <device>',
    'say whether a process can move, and what stands in the way',
  )
    .addOption(engineOption())
    .action(async (nameOrId: string, target: string, { engine }: { engine: EngineWish }) => {
      const { fleet, output } = cli;
      const to = fleet.device(target);
      const { device: from, process } = await fleet.findProcess(nameOrId);
      const check = await fleet.checkMove(from, process.id, to, { engine });
      const movable = !blocks(check.findings);
      const name = escapeControl(process.name);
      const verdict = movable
        ? `${name} can move from ${escapeControl(from.name)} to ${escapeControl(to.name)}: ${describeAmount(check)}.${describeForecast(check)}`
        : `${name} cannot move from ${escapeControl(from.name)} to ${escapeControl(to.name)}.`;
      const findings = formatFindings(check.findings, '  ');
      output.result(
        {
          process: { id: process.id, name: process.name, device: from.name, pid: process.pid },
          from: from.name,
          to: to.name,
          movable,
          ...check,
        },
        [verdict, `  ${describeEngine(check)}`, findings].filter((each) => each !== '').join('\n'),
      );
      if (!movable) setStatus(exitStatuses.refused);
    });
}
