import { Option, type Command } from 'commander';
import { CdpEndpoint } from '../../client/cdpEndpoint.ts';
import { DebugLink } from '../../client/debugLink.ts';
import { Deferred } from '../../common/deferred.ts';
import { FlickError, listDebuggees } from '../../protocol/index.ts';
import { waitForExit } from '../../client/waitForExit.ts';
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
      const found = await cli.fleet.findProcess(nameOrId);
      const { device, process } = found;
      const { debuggees } = await device.request(listDebuggees, { id: process.id });
      const chosen = debuggees.find((each) => wanted === undefined || each.innerPid === wanted);
      const name = escapeControl(process.name);
      if (chosen === undefined) throw nothingToDebug(name, wanted);
      const endpoint = await CdpEndpoint.open({
        title: process.name,
        link: () => new DebugLink(cli.fleet, device, process.id, chosen.innerPid),
      });
      const over = new Deferred<void>();
      const stop = new AbortController();
      endpoint.onDidRefuse((error) => over.reject(error));
      waitForExit(cli.fleet, found, stop.signal).then(
        () => over.resolve(),
        (error: unknown) => over.reject(error),
      );
      cli.onInterrupt(() => over.resolve());
      cli.output.result({ url: endpoint.url, listUrl: endpoint.listUrl }, endpoint.url);
      cli.output.note(
        `flick: ${name} can be debugged there until you press Ctrl-C. VS Code: "websocketAddress" of a "node" attach configuration; others: ${endpoint.listUrl}/json/list`,
      );
      try {
        await over.promise;
      } finally {
        stop.abort();
        // Whoever debugs at this moment must not leave the process standing still.
        await endpoint.close();
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
    {
      remedy:
        pid === undefined
          ? 'For other programs use their own debugger on the device.'
          : 'flick ps --json lists the processes of its tree.',
    },
  );
}
