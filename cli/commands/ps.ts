import type { Command } from 'commander';
import { newestCapsules, type RestorableCapsule } from '../../client/capsules.ts';
import type { Device } from '../../client/device.ts';
import { surveyProcesses, type FoundProcess } from '../../client/processSearch.ts';
import { messageOf } from '../../common/rpc.ts';
import {
  handoffSteps,
  handoffStepLabels,
  type ArrivingMemory,
  type ProcessInfo,
} from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';
import { escapeControl, formatBytes, formatTable, formatTime, joinCommand } from '../text.ts';

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

/** What is left to start from, for processes that ended with their device or keeper. */
async function capsulesOfLost(
  devices: readonly Device[],
  found: readonly FoundProcess[],
): Promise<ReadonlyMap<string, RestorableCapsule>> {
  const lost = found.filter(({ process }) => process.state === 'lost');
  if (lost.length === 0) return new Map();
  const newest = await newestCapsules(devices);
  return new Map([...newest].filter(([id]) => lost.some(({ process }) => process.id === id)));
}

function describeOffer({ name }: ProcessInfo, { device, info }: RestorableCapsule): string {
  return `${name} was lost. It can start again as it was at ${formatTime(info.savedAt)}, on ${device.name}: flick capsule restore ${info.id}`;
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
      const capsules = await capsulesOfLost(fleet.devices, found);
      for (const { process } of found) {
        const capsule = capsules.get(process.id);
        if (capsule !== undefined) output.note(escapeControl(describeOffer(process, capsule)));
      }
      output.result(
        found.map((each) => {
          const capsule = capsules.get(each.process.id);
          if (capsule === undefined) return processDocument(each);
          const { device, info } = capsule;
          return {
            ...processDocument(each),
            capsule: { id: info.id, device: device.name, savedAt: info.savedAt },
          };
        }),
        rows.length === 0
          ? 'No processes. Start one with: flick run -- COMMAND'
          : formatTable(['ID', 'NAME', 'DEVICE', 'PID', 'STATE', 'COMMAND'], rows),
      );
    });
}
