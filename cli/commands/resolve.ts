import type { Command } from 'commander';
import {
  decideDoubt,
  describeDoubt,
  describeRisk,
  requireChoice,
  type DoubtChoice,
} from '../../client/doubtChoices.ts';
import { surveyProcesses, type FoundProcess } from '../../client/processSearch.ts';
import { FlickError, type ProcessInfo } from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';
import { UsageError } from '../errors.ts';
import { askYesNo } from '../terminalQuestions.ts';
import { escapeControl } from '../text.ts';

interface ResolveOptions {
  readonly on?: string;
  readonly runHere?: boolean;
  readonly gone?: boolean;
  readonly yes?: boolean;
}

const flags: Readonly<Record<DoubtChoice, string>> = { runHere: '--run-here', gone: '--gone' };

export function registerResolve(program: Command, cli: Cli): void {
  leaf(
    program,
    'resolve <process>',
    'decide about a process in doubt, when the other device is gone for ever',
  )
    .option('--run-here', 'it goes on here')
    .option('--gone', 'what is here is given up')
    .option('--on <device>', 'the device on which it is in doubt')
    .option('--yes', 'do not ask')
    .action(async (nameOrId: string, options: ResolveOptions) => {
      const { fleet, output } = cli;
      const choice = chosen(options);
      const { device, process } = await findDoubt(cli, nameOrId, options.on);
      const here = escapeControl(device.name);
      const name = escapeControl(process.name);
      if (choice === undefined) {
        output.result(
          { id: process.id, name: process.name, device: device.name, doubt: process.doubt },
          describeChoices(process, here),
        );
        return;
      }
      requireChoice(process, choice);
      output.note(escapeControl(describeDoubt(process.doubt, device.name)));
      output.note(escapeControl(describeRisk(process.doubt, choice, device.name)));
      const question = choice === 'runHere' ? `Let ${name} run on ${here}?` : `Give ${name} up?`;
      if (options.yes !== true && !(await agreed(question))) {
        throw new FlickError('cancelled', 'Nothing was decided.');
      }
      const { settled, runsHere } = await decideDoubt(fleet, device, process.id, choice);
      output.result(
        { id: process.id, name: process.name, device: device.name, choice, settled, runsHere },
        settled
          ? `Both devices could be asked after all: ${name} is in doubt no more.`
          : choice === 'runHere'
            ? `${name} runs on ${here}.`
            : `${name} is given up on ${here}.`,
      );
    });
}

/** @throws {UsageError} when both are asked for */
function chosen({ runHere, gone }: ResolveOptions): DoubtChoice | undefined {
  if (runHere === true && gone === true) {
    throw new UsageError('Either --run-here or --gone, not both.');
  }
  if (runHere === true) return 'runHere';
  return gone === true ? 'gone' : undefined;
}

async function findDoubt(
  { fleet }: Cli,
  nameOrId: string,
  on: string | undefined,
): Promise<FoundProcess> {
  const inDoubt = (found: readonly FoundProcess[]): readonly FoundProcess[] =>
    found.filter(
      ({ process }) =>
        process.doubt !== undefined && (process.id === nameOrId || process.name === nameOrId),
    );
  const devices = on === undefined ? fleet.devices : [fleet.device(on)];
  const { found } = await surveyProcesses(devices, {
    // The device that is gone need not be waited for.
    isEnough: (sofar) => (inDoubt(sofar).length > 0 ? 'nearly' : 'no'),
  });
  const [first, second] = inDoubt(found);
  if (second !== undefined) {
    throw new FlickError('ambiguous', `Several processes in doubt are called ${nameOrId}.`, {
      remedy: 'Name it by its id, and its device with --on.',
    });
  }
  if (first !== undefined) return first;
  const [options] = devices.length === 1 ? devices : [];
  const known = await fleet.findProcess(nameOrId, { on: options });
  throw new FlickError(
    'invalidRequest',
    `${known.process.name} is not in doubt: it is ${known.process.state} on ${known.device.name}.`,
  );
}

function describeChoices({ name, doubt }: ProcessInfo, here: string): string {
  if (doubt === undefined) return '';
  const label = escapeControl(name);
  return [
    `${label}: ${escapeControl(describeDoubt(doubt, here))}`,
    `Connect ${escapeControl(doubt.peer)}, and it is settled without any risk. If that is gone for ever:`,
    ...doubt.choices.map(
      (choice) =>
        `  flick resolve ${label} ${flags[choice]}\n    ${escapeControl(describeRisk(doubt, choice, here))}`,
    ),
  ].join('\n');
}

async function agreed(question: string): Promise<boolean> {
  const answer = await askYesNo(question);
  if (answer !== undefined) return answer;
  throw new FlickError('cancelled', 'There is no terminal to ask on.', {
    remedy: 'Add --yes to go ahead without being asked.',
  });
}
