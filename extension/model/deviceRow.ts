import type { ConnectionState } from '../../client/device.ts';
import type { DeviceDescription, EngineStatus } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { escapeMarkdown, formatBytes, formatDuration, formatTime } from './format.ts';
import { detailTable, findingsList } from './markdown.ts';
import { colors, type Color, type Row } from './rows.ts';

/** What a device's row is made from; a `Device` of the client has all of it. */
export interface DeviceFacts {
  readonly name: string;
  readonly isLocal: boolean;
  readonly state: ConnectionState;
  readonly description: DeviceDescription | undefined;
  /** When its processes were last known, in ms since 1970. */
  readonly processesSeenAt: number | undefined;
}

/** What people read for a device. */
export function deviceLabel({ name, isLocal }: Pick<DeviceFacts, 'name' | 'isLocal'>): string {
  return isLocal ? l10n.t('This computer') : name;
}

/** The same inside of a sentence. */
export function deviceInText({ name, isLocal }: Pick<DeviceFacts, 'name' | 'isLocal'>): string {
  return isLocal ? l10n.t('this computer') : name;
}

export function deviceRow(device: DeviceFacts, now: number): Row {
  const { state, description } = device;
  const connected = state.kind === 'connected';
  const engine = description?.engines.find((each) => each.engine === 'criu');
  const needsSetup = connected && engine !== undefined && !engine.available;
  const status = describeState(device, now);
  const where = description === undefined ? '' : description.hostName;
  const about = connected
    ? [
        engine === undefined ? '' : engineLabel(engine, description),
        where === device.name ? '' : where,
      ]
    : [status];
  const words = [
    'device',
    state.kind,
    device.isLocal ? 'local' : 'remote',
    ...(needsSetup ? ['needsSetup'] : []),
  ];
  return {
    label: deviceLabel(device),
    description: about.filter((each) => each !== '').join(' · '),
    tooltip: () => deviceTooltip(device),
    ...deviceIcon(device, needsSetup),
    context: words.join(' '),
    spoken: [
      l10n.t('Device {0}', device.isLocal ? l10n.t('this computer') : device.name),
      status,
      needsSetup ? l10n.t('processes cannot be moved yet') : '',
    ]
      .filter((each) => each !== '')
      .join(', '),
    away: !connected,
  };
}

function engineLabel(engine: EngineStatus, description: DeviceDescription | undefined): string {
  const isPortable = description?.engines.some((each) => each.engine === 'v8' && each.available);
  if (!engine.available) {
    return isPortable === true
      ? l10n.t('moves Node.js programs only')
      : l10n.t('cannot move processes yet');
  }
  return engine.version === undefined ? 'CRIU' : `CRIU ${engine.version}`;
}

/** The connection in a few words; times of day rather than ages, so that nothing has to be redrawn. */
export function describeState({ state, processesSeenAt }: DeviceFacts, now: number): string {
  const seen =
    processesSeenAt === undefined
      ? ''
      : ` · ${l10n.t('seen {0}', formatTime(processesSeenAt, now))}`;
  switch (state.kind) {
    case 'connected':
      return l10n.t('connected');
    case 'connecting':
      return l10n.t('connecting…');
    case 'installing':
      return l10n.t('installing the agent…');
    case 'disconnected':
      return `${l10n.t('not connected')}${seen}`;
    case 'waiting':
      return `${l10n.t('unreachable, attempt {0} at {1}', state.attempt + 1, clock(state.untilMs))}${seen}`;
    case 'failed':
      return `${l10n.t('failed')}${seen}`;
  }
}

function clock(time: number): string {
  const at = new Date(time);
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((each) => String(each).padStart(2, '0'))
    .join(':');
}

function deviceIcon(
  { state, isLocal }: DeviceFacts,
  needsSetup: boolean,
): { readonly icon: string; readonly color?: Color } {
  switch (state.kind) {
    case 'connected':
      return {
        icon: isLocal ? 'device-desktop' : 'vm-active',
        color: needsSetup ? colors.paused : colors.good,
      };
    case 'connecting':
    case 'installing':
      return { icon: 'loading~spin' };
    case 'disconnected':
      return { icon: isLocal ? 'device-desktop' : 'vm-outline', color: colors.away };
    case 'waiting':
      return { icon: 'debug-disconnect', color: colors.doubt };
    case 'failed':
      return { icon: 'error', color: colors.bad };
  }
}

function deviceTooltip(device: DeviceFacts): string {
  const now = Date.now();
  const { description, state } = device;
  const parts = [
    `**${escapeMarkdown(device.name)}** — ${escapeMarkdown(describeState(device, now))}`,
  ];
  if (state.kind === 'waiting' || state.kind === 'failed') {
    parts.push(escapeMarkdown(state.error.message));
    if (state.error.remedy !== undefined) parts.push(`→ ${escapeMarkdown(state.error.remedy)}`);
  }
  if (description !== undefined) {
    parts.push(
      detailTable([
        [l10n.t('Host'), escapeMarkdown(description.hostName)],
        [
          l10n.t('User'),
          escapeMarkdown(`${description.user.name} (${String(description.user.uid)})`),
        ],
        [
          l10n.t('System'),
          escapeMarkdown(
            `${description.distribution}, ${description.platform} ${description.kernel}, ${description.architecture}`,
          ),
        ],
        [l10n.t('Processor'), escapeMarkdown(description.cpuModel)],
        [
          l10n.t('Memory'),
          l10n.t(
            '{0}, {1} of disk free',
            formatBytes(description.memoryBytes),
            formatBytes(description.freeDiskBytes),
          ),
        ],
        [l10n.t('Up for'), formatDuration(description.uptimeMs)],
        [
          l10n.t('Agent'),
          escapeMarkdown(`${description.hello.version}, Node.js ${description.nodeVersion}`),
        ],
        ...description.engines.map((each): [string, string] => [
          each.engine.toUpperCase(),
          each.available
            ? escapeMarkdown(each.version ?? l10n.t('available'))
            : l10n.t('not available'),
        ]),
      ]),
    );
    const findings = description.engines.flatMap((each) => each.findings);
    if (findings.length > 0) parts.push(findingsList(findings));
  }
  return parts.join('\n\n');
}
