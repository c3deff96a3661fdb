import type { Command } from 'commander';
import { surveyProcesses, type FoundProcess } from '../../client/processSearch.ts';
import { messageOf } from '../../common/rpc.ts';
import {
  handoffSteps,
  handoffStepLabels,
  type ArrivingMemory,
  type ProcessInfo,
} from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';
import { escapeControl, formatBytes, formatTable, joinCommand } from '../text.ts';

/** One element of `ps --json`, and what other commands say of a process. */
export function processDocument({ device, process }: FoundProcess): object {
  const { id, name, pid, state, command, ...rest } = process;
  return { id, name, device: device.name, pid, state, command, ...rest };
}

/** A state with what is worth knowing of it. */
export function describeState(process: ProcessInfo): string {
  const { state, exit, movement, doubt, memory } = process;
  if (state === 'exited' && exit !== null) {
    return exit.signal === null ? `exited (${String(exit.exitCode)})` : `ended by ${exit.signal}`;
  }
  if (doubt !== undefined) return `${state}, ${doubt.peer}: flick resolve`;
  if (movement === null && memory !== undefined) return `${state}, ${describeMemory(memory)}`;
  if (movement === null) return state;
  const step = handoffSteps.find((each) => each === movement.step);
  const label = step === undefined ? movement.step : handoffStepLabels[step];
  return `${state} ${state === 'arriving' ? 'from' : 'to'} ${movement.peer}: ${label}`;
}

function describeMemory({ from, doneBytes, totalBytes }: ArrivingMemory): string {
  const left = totalBytes - doneBytes;
  return `${left > 0 ? `${formatBytes(left)} of its memory` : 'its memory'} still comes from ${from}`;
}

export function registerPs(program: Command, cli: Cli): void {
  leaf(program, 'ps', 'list the processes of all devices')
    .option('--on <device>', 'only those of this device')
    .action(async (options: { readonly on?: string }) => {
      const { fleet, output } = cli;
      const devices = options.on === undefined ? fleet.devices : [fleet.device(options.on)];
      const names = devices.map((each) => escapeControl(each.name)).join(', ');
      const patience = setTimeout(() => output.status(`Asking ${names}…`), 1_000);
      const { found, silent } = await surveyProcesses(devices);
      clearTimeout(patience);
      const [first] = silent;
      if (options.on !== undefined && first !== undefined) throw first.error;
      for (const { device, error } of silent) {
        output.note(escapeControl(`${device.name} could not be asked: ${messageOf(error)}`));
      }
      const rows = found.map(({ device, process }) => [
        process.id,
        process.name,
        device.name,
        process.pid === null ? '-' : String(process.pid),
        describeState(process),
        joinCommand(process.command),
      ]);
      output.result(
        found.map(processDocument),
        rows.length === 0
          ? 'No processes. Start one with: flick run -- COMMAND'
          : formatTable(['ID', 'NAME', 'DEVICE', 'PID', 'STATE', 'COMMAND'], rows),
      );
    });
}
