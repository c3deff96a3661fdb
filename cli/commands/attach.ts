import { Option, type Command } from 'commander';
import type { FoundProcess } from '../../client/processSearch.ts';
import { FlickError } from '../../protocol/index.ts';
import { leaf, type Cli, type SetStatus } from '../cli.ts';
import { shellStatus } from '../processOptions.ts';
import { escapeControl } from '../text.ts';
import { readDetachKey, view, type ViewOptions } from '../viewer.ts';
import { processDocument } from './ps.ts';

export function registerAttach(program: Command, cli: Cli, setStatus: SetStatus): void {
  leaf(program, 'attach <process>', 'join the terminal of a process, wherever it goes')
    .addOption(new Option('--detach-keys <key>', 'the key that detaches').default('ctrl-]'))
    .action(async (nameOrId: string, options: { readonly detachKeys: string }) => {
      const detachKey = readDetachKey(options.detachKeys);
      const found = await cli.fleet.findProcess(nameOrId);
      await attach(cli, setStatus, found, { detachKey, endInput: false });
    });
}

/** Views a process until it ends, whose exit status becomes ours, or the person detaches. */
export async function attach(
  cli: Cli,
  setStatus: SetStatus,
  found: FoundProcess,
  how: Pick<ViewOptions, 'detachKey' | 'endInput'>,
): Promise<void> {
  const { device, process } = found;
  const { id, name } = process;
  if (!process.hasTerminal) {
    throw new FlickError('notSupported', `${name} has no terminal that Flick could show.`, {
      remedy: 'A process that was adopted keeps the terminal it had.',
    });
  }
  const { output } = cli;
  const exit = await view(cli, { device, id, name, ...how });
  if (exit === undefined) {
    output.note(`flick: detached; ${escapeControl(name)} goes on. Back to it: flick attach ${id}`);
    if (output.json) output.result({ ...processDocument(found), detached: true }, '');
    return;
  }
  setStatus(shellStatus(exit));
  if (output.json) output.result({ ...processDocument(found), ...exit }, '');
}
