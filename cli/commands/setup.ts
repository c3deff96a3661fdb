import type { Command } from 'commander';
import { applyDeviceSetup, planDeviceSetup } from '../../client/setup.ts';
import { FlickError, type SetupPlan } from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';
import { askYesNo } from '../terminalQuestions.ts';
import { escapeControl } from '../text.ts';

interface SetupOptions {
  readonly yes?: boolean;
  readonly undo?: boolean;
}

export function registerSetup(device: Command, cli: Cli): void {
  leaf(device, 'setup <name>', 'install what moving processes needs, after asking')
    .option('--yes', 'do not ask')
    .option('--undo', 'take back what an earlier setup did')
    .action(async (name: string, options: SetupOptions) => {
      const { fleet, output } = cli;
      const target = fleet.device(name);
      const bundle = cli.criuBundle;
      const undo = options.undo ?? false;
      const plan = await planDeviceSetup(target, { undo, bundle });
      const shownName = escapeControl(target.name);
      if (plan.steps.length === 0) {
        output.result(
          { device: target.name, steps: [], leftOut: plan.leftOut, done: [], failed: [] },
          [
            `There is nothing to ${undo ? 'undo' : 'set up'} on ${shownName}.`,
            ...leftOut(plan),
          ].join('\n'),
        );
        return;
      }
      output.note(describePlan(shownName, plan, undo));
      if (options.yes !== true && !(await agreed(shownName))) {
        throw new FlickError('cancelled', 'Nothing was changed.');
      }
      output.status(`${shownName}: ${undo ? 'undoing the setup' : 'setting up'}…`);
      const { done, failed } = await applyDeviceSetup(target, plan, bundle);
      if (failed.length > 0) {
        const why = failed.map((each) => `${whatOf(plan, each.id)}: ${each.message}`).join('; ');
        throw new FlickError(
          'permission',
          `Not everything could be done on ${target.name}. ${why}`,
          {
            remedy: 'flick doctor says what works now.',
          },
        );
      }
      output.result(
        { device: target.name, steps: plan.steps, leftOut: plan.leftOut, done, failed },
        [`Done on ${shownName}.`, ...leftOut(plan)].join('\n'),
      );
    });
}

async function agreed(name: string): Promise<boolean> {
  const answer = await askYesNo(`Do this on ${name}?`);
  if (answer !== undefined) return answer;
  throw new FlickError('cancelled', 'There is no terminal to ask on.', {
    remedy: 'Add --yes to go ahead without being asked.',
  });
}

function describePlan(name: string, plan: SetupPlan, undo: boolean): string {
  return [
    `${undo ? 'Undoing the setup of' : 'Setting up'} ${name}:`,
    ...plan.steps.flatMap(({ what, why, command }) => [
      `  • ${escapeControl(what)}`,
      `    why: ${escapeControl(why)}`,
      ...(command === '' ? [] : [`    how: ${escapeControl(command)}`]),
    ]),
    ...leftOut(plan),
  ].join('\n');
}

function leftOut(plan: SetupPlan): readonly string[] {
  if (plan.leftOut.length === 0) return [];
  return ['Left out:', ...plan.leftOut.map((each) => `  • ${escapeControl(each)}`)];
}

function whatOf(plan: SetupPlan, id: string): string {
  return plan.steps.find((each) => each.id === id)?.what ?? id;
}
