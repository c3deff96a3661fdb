import { Option, type Command } from 'commander';
import { launchProcess, type ProcessInfo } from '../../protocol/index.ts';
import { collect, leaf, type Cli, type SetStatus } from '../cli.ts';
import { carriedFolders, devicePath, readEnvironment } from '../processOptions.ts';
import { escapeControl } from '../text.ts';
import { ownSize, readDetachKey } from '../viewer.ts';
import { attach } from './attach.ts';
import { processDocument } from './ps.ts';

interface RunOptions {
  readonly on: string;
  readonly name?: string;
  readonly cwd?: string;
  readonly env?: readonly string[];
  readonly carry?: readonly string[];
  readonly detach?: boolean;
  readonly detachKeys: string;
}

export function registerRun(program: Command, cli: Cli, setStatus: SetStatus): void {
  leaf(program, 'run <command...>', 'start a program that can move')
    .passThroughOptions()
    .usage('[options] [--] COMMAND [ARG…]')
    .option('--on <device>', 'where to start it', 'local')
    .option('--name <name>', 'what to call it')
    .option('--cwd <dir>', 'its working directory; here the current one, elsewhere the home')
    .option('--env <K=V>', 'a variable of its environment; may be repeated', collect)
    .option('--carry <dir>', 'a folder that goes along when it moves; may be repeated', collect)
    .option('--detach', 'leave it in the background')
    .addOption(
      new Option('--detach-keys <key>', 'the key that detaches from its terminal').default(
        'ctrl-]',
      ),
    )
    .action(async (command: string[], options: RunOptions) => {
      const detachKey = readDetachKey(options.detachKeys);
      const device = cli.fleet.device(options.on);
      const request = {
        command,
        ...workingDirectory(options.cwd, device),
        ...(options.env === undefined ? {} : { env: readEnvironment(options.env) }),
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.carry === undefined ? {} : { carry: carriedFolders(options.carry, device) }),
        terminal: ownSize(cli.output.stdout),
      };
      await device.connect();
      const { process } = await device.request(launchProcess, request);
      if (options.detach === true) {
        cli.output.result(
          processDocument({ device, process }),
          describeLaunch(process, device.name),
        );
        return;
      }
      await attach(cli, setStatus, { device, process }, { detachKey, endInput: true });
    });
}

function workingDirectory(
  given: string | undefined,
  device: Parameters<typeof devicePath>[1],
): { cwd?: string } {
  if (given !== undefined) return { cwd: devicePath(given, device, '--cwd') };
  return device.isLocal ? { cwd: process.cwd() } : {};
}

function describeLaunch(process: ProcessInfo, deviceName: string): string {
  return `${escapeControl(process.name)} is ${process.id} on ${escapeControl(deviceName)}, pid ${String(process.pid)}.`;
}
