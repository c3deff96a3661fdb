import { Option, type Command } from 'commander';
import { CdpEndpoint } from '../../client/cdpEndpoint.ts';
import { DebugLink } from '../../client/debugLink.ts';
import { Deferred } from '../../common/deferred.ts';
import { FlickError, listDebuggees } from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';
import { UsageError } from '../errors.ts';
import { escapeControl } from '../text.ts';

export function registerDebugUrl(program: Command, cli: Cli): void {
  leaf(
    program,
    'debug-url <process>',
    'give other debuggers an address of a Node.js process that stays the same while it moves',
  )
    .addOption(new Option('--pid <number>', 'which Node.js process, by the id that it has itself'))
    .action(async (nameOrId: string, options: { readonly pid?: string }) => {
      const wanted = options.pid === undefined ? undefined : readPid(options.pid);
      const { device, process } = await cli.fleet.findProcess(nameOrId);
      const { debuggees } = await device.request(listDebuggees, { id: process.id });
      const chosen = debuggees.find((each) => wanted === undefined || each.innerPid === wanted);
      const name = escapeControl(process.name);
      if (chosen === undefined) throw nothingToDebug(name, wanted);
      const endpoint = await CdpEndpoint.open({
        title: process.name,
        link: () => new DebugLink(cli.fleet, device, process.id, chosen.innerPid),
      });
      const over = new Deferred<undefined>();
      endpoint.onDidEnd((error) => {
        if (error === undefined) over.resolve(undefined);
        else over.reject(error);
      });
      cli.onInterrupt(() => over.resolve(undefined));
      cli.output.result({ url: endpoint.url, listUrl: endpoint.listUrl }, endpoint.url);
      cli.output.note(
        `flick: ${name} can be debugged there until you press Ctrl-C. VS Code: "websocketAddress" of a "node" attach configuration; others: ${endpoint.listUrl}/json/list`,
      );
      try {
        await over.promise;
      } finally {
        endpoint.dispose();
      }
    });
}

function readPid(text: string): number {
  const pid = Number(text);
  if (Number.isInteger(pid) && pid > 0) return pid;
  throw new UsageError(`${escapeControl(text)} is no process id.`);
}

function nothingToDebug(name: string, pid: number | undefined): FlickError {
  return new FlickError(
    'notSupported',
    pid === undefined
      ? `${name} runs no Node.js, and only that can be debugged.`
      : `${name} has no Node.js process ${pid}.`,
    { remedy: 'For other programs use their own debugger on the device.' },
  );
}
