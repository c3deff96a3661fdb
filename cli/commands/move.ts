import { Option, type Command } from 'commander';
import type { MoveOutcome, MoveProgress } from '../../client/move.ts';
import type { EngineWish } from '../../client/engineChoice.ts';
import { TimeLeft } from '../../client/timeLeft.ts';
import { blocks, handoffStepLabels, memoryWays, type MemoryWay } from '../../protocol/index.ts';
import { describeEngine, engineOption } from '../engine.ts';
import { leaf, type Cli } from '../cli.ts';
import { RefusedError } from '../errors.ts';
import { formatFindings } from '../findings.ts';
import { escapeControl, formatBytes, formatDuration } from '../text.ts';

const ways = { direct: 'straight from device to device', relayed: 'through this machine' } as const;

interface Options {
  readonly engine: EngineWish;
  readonly memory: 'auto' | MemoryWay;
}

function describeProgress({ doneBytes, totalBytes }: MoveProgress, left: TimeLeft): string {
  if (totalBytes === 0) return '';
  const ms = left.update(doneBytes, totalBytes, performance.now());
  const time =
    ms === undefined ? '' : `, about ${formatDuration(Math.ceil(ms / 1_000) * 1_000)} left`;
  return `  ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}${time}`;
}

function moveDocument(outcome: MoveOutcome, engineReason: string | null): object {
  const { process: id, name, pid, from, to, engine } = outcome;
  const { downtimeMs, totalMs, bytesSent, relayedBytes, way, memory, steps, remarks } = outcome;
  return {
    process: { id, name, device: to.name, pid },
    from: from.name,
    to: to.name,
    engine,
    engineReason,
    way,
    downtimeMs,
    totalMs,
    bytesSent,
    relayedBytes,
    memory: memory ?? null,
    steps,
    remarks,
  };
}

export function registerMove(program: Command, cli: Cli): void {
  leaf(program, 'move <process> <device>', 'move a running process to another device')
    .addOption(engineOption())
    .addOption(
      new Option('--memory <way>', 'how its memory goes, where the devices can do it so')
        .choices(['auto', ...memoryWays])
        .default('auto'),
    )
    .action(async (nameOrId: string, target: string, options: Options) => {
      const { fleet, output } = cli;
      const to = fleet.device(target);
      const { device: from, process } = await fleet.findProcess(nameOrId);
      const name = escapeControl(process.name);
      const title = `${name} → ${escapeControl(to.name)}: `;
      const cancel = new AbortController();
      const release = cli.onInterrupt(() => {
        output.note('Cancelling. Ctrl-C again leaves at once.');
        cancel.abort();
      });
      const { engine: wish, memory: wanted } = options;
      output.status(`${title}${handoffStepLabels.check}`);
      const asked = { engine: wish, signal: cancel.signal };
      const check = await fleet.checkMove(from, process.id, to, asked);
      if (blocks(check.findings)) {
        throw new RefusedError(
          `${process.name} cannot move from ${from.name} to ${to.name}.`,
          check.findings,
        );
      }
      const { engine } = check;
      output.note(describeEngine(check));
      if (check.findings.length > 0) output.note(formatFindings(check.findings, '  '));
      const left = new TimeLeft();
      const outcome = await fleet.move(from, process.id, to, {
        engine,
        memory: wanted,
        acceptWarnings: true,
        signal: cancel.signal,
        onProgress: (progress) =>
          output.status(
            `${title}${handoffStepLabels[progress.step]}`,
            describeProgress(progress, left),
          ),
      });
      release();
      const { downtimeMs, totalMs, bytesSent, memory, remarks, way } = outcome;
      const how = memory === undefined ? '' : `, ${memory.way}`;
      const figures =
        totalMs === 0
          ? ''
          : ` in ${formatDuration(totalMs)}; it paused for ${formatDuration(downtimeMs)} (${formatBytes(bytesSent)} sent ${ways[way]}${how})`;
      const missing = memory?.missingBytes ?? 0;
      const follows = `It runs there already; ${formatBytes(missing)} of its memory still come from ${from.name}, which must stay reachable.`;
      output.result(
        moveDocument(outcome, check.engineReason),
        [
          `${name} moved from ${escapeControl(from.name)} to ${escapeControl(to.name)}${figures}.`,
          ...(engine === 'criu' ? [] : [`  · ${describeEngine(check)}`]),
          ...(missing > 0 ? [`  · ${escapeControl(follows)}`] : []),
          ...remarks.map((each) => `  · ${escapeControl(each)}`),
        ].join('\n'),
      );
    });
}
