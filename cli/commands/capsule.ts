import type { Command } from 'commander';
import {
  findCapsule,
  restoreFromCapsule,
  saveToCapsule,
  surveyCapsules,
  type CapsuleProgress,
  type FoundCapsule,
} from '../../client/capsules.ts';
import { messageOf } from '../../common/rpc.ts';
import {
  capsuleStepLabels,
  removeCapsule,
  showCapsule,
  type CapsuleDetails,
  type CapsuleInfo,
} from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';
import {
  escapeControl,
  formatBytes,
  formatDuration,
  formatTable,
  formatTime,
  joinCommand,
} from '../text.ts';
import { processDocument } from './ps.ts';

/** Most files that `show` lists for people; with `--json` it is all that the device told. */
const filesShown = 10;

export function registerCapsule(program: Command, cli: Cli): void {
  const capsule = program
    .command('capsule')
    .description('processes at rest, which can be restored as often as you like');

  leaf(capsule, 'save <process>', 'save a running process, which goes on')
    .option('--name <name>', 'what to call the capsule')
    .action(async (nameOrId: string, { name }: { readonly name?: string }) => {
      const { device, process } = await cli.fleet.findProcess(nameOrId);
      const { capsule: saved, pauseMs } = await interruptible(cli, process.name, (following) =>
        saveToCapsule(device, process.id, { name, ...following }),
      );
      cli.output.result(
        { ...document(device.name, saved), pauseMs },
        `${escapeControl(process.name)} is saved as ${escapeControl(saved.name)} (${saved.id}, ${formatBytes(saved.sizeBytes)}) on ${escapeControl(device.name)}; it paused for ${formatDuration(pauseMs)}.`,
      );
    });

  leaf(capsule, 'ls [device]', 'list the capsules of all devices, or of one').action(
    async (deviceName?: string) => {
      const { fleet, output } = cli;
      const devices = deviceName === undefined ? fleet.devices : [fleet.device(deviceName)];
      const { found, silent } = await surveyCapsules(devices);
      const [first] = silent;
      if (deviceName !== undefined && first !== undefined) throw first.error;
      for (const { device, error } of silent) {
        output.note(escapeControl(`${device.name} could not be asked: ${messageOf(error)}`));
      }
      output.result(
        found.map(listedDocument),
        found.length === 0
          ? 'No capsules. Save a process with: flick capsule save PROCESS'
          : formatTable(['ID', 'NAME', 'DEVICE', 'SAVED', 'SIZE', 'PARENT'], found.map(listedRow)),
      );
    },
  );

  leaf(capsule, 'show <capsule>', 'say what is in a capsule')
    .option('--device <device>', 'the device that has it')
    .action(async (nameOrId: string, options: { readonly device?: string }) => {
      const { device, id } = await find(cli, nameOrId, options.device);
      const details = await device.request(showCapsule, { capsule: id });
      cli.output.result(document(device.name, details), describe(device.name, details));
    });

  leaf(capsule, 'restore <capsule>', 'make another process of a capsule, where it is')
    .option('--device <device>', 'the device that has it')
    .option('--name <name>', 'what to call the process')
    .action(
      async (nameOrId: string, options: { readonly device?: string; readonly name?: string }) => {
        const { device, id, info } = await find(cli, nameOrId, options.device);
        const title = info?.name ?? id;
        const { name } = options;
        const { process, totalMs, remarks } = await interruptible(cli, title, (following) =>
          restoreFromCapsule(device, id, { name, ...following }),
        );
        cli.output.result(
          { ...processDocument({ device, process }), capsule: id, totalMs, remarks },
          [
            `${escapeControl(title)} runs again as ${escapeControl(process.name)} (${process.id}) on ${escapeControl(device.name)}, after ${formatDuration(totalMs)}.`,
            ...remarks.map((each) => `  · ${escapeControl(each)}`),
          ].join('\n'),
        );
      },
    );

  leaf(capsule, 'rm <capsules...>', 'remove capsules; processes made of them are not touched')
    .option('--device <device>', 'the device that has them')
    .action(async (namesOrIds: readonly string[], options: { readonly device?: string }) => {
      const found: FoundCapsule[] = [];
      // All of them are found before the first one is gone.
      for (const each of namesOrIds) found.push(await find(cli, each, options.device));
      for (const { device, id } of found) await device.request(removeCapsule, { capsule: id });
      cli.output.result(
        found.map(({ device, id, info }) => ({
          id,
          name: info?.name ?? null,
          device: device.name,
        })),
        found.map(({ id, info }) => `${escapeControl(info?.name ?? id)} is removed.`).join('\n'),
      );
    });
}

async function find(cli: Cli, nameOrId: string, device: string | undefined): Promise<FoundCapsule> {
  const { fleet } = cli;
  return await findCapsule(device === undefined ? fleet.devices : [fleet.device(device)], nameOrId);
}

/** Shows how far it is, and lets the first Ctrl-C cancel it. */
async function interruptible<T>(
  cli: Cli,
  title: string,
  run: (following: {
    readonly signal: AbortSignal;
    readonly onProgress: (progress: CapsuleProgress) => void;
  }) => Promise<T>,
): Promise<T> {
  const cancel = new AbortController();
  const release = cli.onInterrupt(() => {
    cli.output.note('Cancelling. Ctrl-C again leaves at once.');
    cancel.abort();
  });
  try {
    return await run({
      signal: cancel.signal,
      onProgress: ({ step, doneBytes, totalBytes }) =>
        cli.output.status(
          `${escapeControl(title)}: ${capsuleStepLabels[step]}`,
          totalBytes === 0 ? '' : `  ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
        ),
    });
  } finally {
    release();
  }
}

function document(
  device: string,
  { device: origin, ...rest }: CapsuleInfo | CapsuleDetails,
): object {
  return { ...rest, device, savedOn: origin };
}

function listedDocument({ device, id, info, damage }: FoundCapsule): object {
  return info === undefined ? { id, device: device.name, damage } : document(device.name, info);
}

function listedRow({ device, id, info, damage }: FoundCapsule): readonly string[] {
  if (info === undefined) return [id, '-', device.name, '-', '-', damage ?? 'damaged'];
  const { name, savedAt, sizeBytes, parent } = info;
  return [id, name, device.name, formatTime(savedAt), formatBytes(sizeBytes), parent ?? '-'];
}

function describe(device: string, details: CapsuleDetails): string {
  const { process, needs, ports } = details;
  const lines: (readonly [string, string])[] = [
    ['Id', details.id],
    ['Device', device],
    ['Saved', `${formatTime(details.savedAt)} on ${details.device.hostName}`],
    ['Process', `${process.name} (${process.id})`],
    ['Command', joinCommand(process.command)],
    ['Directory', process.cwd],
    ['Paused for', formatDuration(details.pauseMs)],
    ['Parent', details.parent ?? '-'],
    ['Engine', details.engine],
    ['Needs', `${needs.architecture}, saved on Linux ${needs.kernel}`],
    [
      'Ports',
      ports.map((each) => `${each.protocol} ${each.address}:${String(each.port)}`).join(', ') ||
        '-',
    ],
    ['Memory', formatBytes(details.imageBytes)],
    ['Files', `${String(details.files)}, ${formatBytes(details.fileBytes)}`],
    ['On disk', `${formatBytes(details.ownBytes)} that no other capsule needs`],
  ];
  const files = details.largestFiles.slice(0, filesShown);
  return [
    escapeControl(details.name),
    ...lines.map(([label, value]) => `  ${label.padEnd(11)}${escapeControl(value)}`),
    ...files.map(
      ({ path, size }) => `    ${formatBytes(size).padStart(8)}  ${escapeControl(path)}`,
    ),
  ].join('\n');
}
