import type { Command } from 'commander';
import type { Device } from '../../client/device.ts';
import { describeDevice, type DeviceDescription } from '../../protocol/index.ts';
import { leaf, type Cli, type SetStatus } from '../cli.ts';
import { describeFailure, exitStatuses, type Failure } from '../errors.ts';
import { formatFindings } from '../findings.ts';
import { escapeControl, formatBytes } from '../text.ts';

interface Examination {
  readonly device: Device;
  readonly description?: DeviceDescription;
  readonly failure?: Failure;
}

export function registerDoctor(program: Command, cli: Cli, setStatus: SetStatus): void {
  leaf(
    program,
    'doctor [device]',
    'say what works on each device, and what to do about the rest',
  ).action(async (name: string | undefined) => {
    const { fleet, output } = cli;
    const devices = name === undefined ? fleet.devices : [fleet.device(name)];
    output.status(`Asking ${devices.map((each) => escapeControl(each.name)).join(', ')}…`);
    const all = await Promise.all(devices.map(examine));
    output.result(all.map(documentOf), all.map(textOf).join('\n\n'));
    if (name !== undefined && all.some((each) => each.failure !== undefined)) {
      setStatus(exitStatuses.failed);
    }
  });
}

async function examine(device: Device): Promise<Examination> {
  try {
    await device.connect();
    return { device, description: await device.request(describeDevice, { refresh: true }) };
  } catch (error) {
    return { device, failure: describeFailure(error) };
  }
}

function documentOf({ device, description, failure }: Examination): object {
  const { name, isLocal } = device;
  if (description === undefined)
    return { name, isLocal, reachable: false, error: failure?.document };
  return { name, isLocal, reachable: true, ...description };
}

function textOf({ device, description, failure }: Examination): string {
  const title = `${escapeControl(device.name)}${device.isLocal ? ' (this machine)' : ''}`;
  if (description === undefined) {
    const why = (failure?.text ?? '').split('\n');
    return [`✗ ${title}`, ...why.map((each) => `    ${each}`)].join('\n');
  }
  const { hello, user, engines } = description;
  const facts: readonly (readonly [string, string])[] = [
    [
      'system',
      `${description.distribution}, ${description.platform} ${description.kernel}, ${description.architecture}`,
    ],
    [
      'host',
      `${description.hostName}, ${description.cpuModel}, ${formatBytes(description.memoryBytes)} of memory`,
    ],
    ['agent', `${hello.version} (protocol ${String(hello.protocol)}), pid ${String(hello.pid)}`],
    ['node', description.nodeVersion],
    ['user', `${user.name} (${String(user.uid)}), ${user.home}`],
    [
      'cells',
      description.userNamespaces ? 'in user namespaces, without root' : 'without user namespaces',
    ],
    [
      'adopting',
      user.uid === 0 || description.privilegedHelper
        ? 'possible'
        : 'not possible: sudo asks for a password here',
    ],
    ['disk', `${formatBytes(description.freeDiskBytes)} free`],
  ];
  const works = engines.every((each) => each.available);
  return [
    `${works ? '✓' : '!'} ${title}`,
    ...facts.map(([label, value]) => `    ${label.padEnd(9)} ${escapeControl(value)}`),
    ...engines.flatMap(({ engine, available, version, findings }) => {
      const state = available
        ? `works${version === undefined ? '' : ` (${version})`}`
        : 'does not work yet';
      const list = formatFindings(findings, '      ');
      return [
        `    ${engine.padEnd(9)} ${escapeControl(state)}`,
        ...(list === '' ? [] : [list]),
        ...(available || engine !== 'criu'
          ? []
          : [
              `      → flick device setup ${escapeControl(device.isLocal ? 'local' : device.name)}`,
            ]),
      ];
    }),
  ].join('\n');
}
