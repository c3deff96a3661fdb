import { handoffStepLabels, type ProcessInfo, type ProcessNode } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { joinCommandLine } from './commandLine.ts';
import {
  codeSpan,
  escapeMarkdown,
  formatBytes,
  formatDuration,
  formatPort,
  formatPortNumbers,
  formatTime,
  shorten,
} from './format.ts';
import { detailTable } from './markdown.ts';
import { colors, type Color, type Row } from './rows.ts';

/** Where the row stands: under which device, and whether that device is there to answer. */
export interface Surroundings {
  readonly deviceName: string;
  /** When the device was last heard of, if it is away. */
  readonly awaySince?: number | undefined;
  readonly now: number;
}

export function isAlive(info: ProcessInfo): boolean {
  return info.state === 'running' || info.state === 'stopped';
}

export function isEnded(info: ProcessInfo): boolean {
  return info.state === 'exited' || info.state === 'lost';
}

export function processRow(info: ProcessInfo, around: Surroundings): Row {
  const away = around.awaySince !== undefined;
  const status = describeProcessState(info);
  const about = [
    status,
    formatPortNumbers(info.ports),
    info.state === 'running' && info.rssBytes !== null ? formatBytes(info.rssBytes) : '',
    around.awaySince === undefined
      ? ''
      : l10n.t('seen {0}', formatTime(around.awaySince, around.now)),
  ];
  return {
    label: info.name,
    description: about.filter((each) => each !== '').join(' · '),
    tooltip: () => processTooltip(info, around),
    ...processIcon(info, away),
    context: processContext(info, away),
    spoken: [
      l10n.t('Process {0} on {1}', info.name, around.deviceName),
      status === '' ? l10n.t('running') : status,
      away ? l10n.t('device away') : '',
    ]
      .filter((each) => each !== '')
      .join(', '),
    away,
  };
}

/** Empty for a process that simply runs: the icon says it. */
export function describeProcessState(info: ProcessInfo): string {
  switch (info.state) {
    case 'running':
      return describeMemory(info);
    case 'stopped':
      return l10n.t('stopped');
    case 'moving':
      return info.movement === null
        ? l10n.t('moving…')
        : l10n.t('→ {0}: {1}', info.movement.peer, describeStep(info.movement));
    case 'arriving':
      return info.movement === null
        ? l10n.t('arriving…')
        : l10n.t('from {0}: {1}', info.movement.peer, describeStep(info.movement));
    case 'inDoubt':
      return l10n.t('move in doubt');
    case 'exited':
      return describeExit(info);
    case 'lost':
      return l10n.t('lost');
  }
}

/** Memory that is still on its way is worth knowing: the process cannot be moved on, and the other device is needed. */
function describeMemory({ memory }: ProcessInfo): string {
  if (memory === undefined) return '';
  if (memory.totalBytes === 0) return l10n.t('memory still comes from {0}', memory.from);
  const share = Math.floor((100 * memory.doneBytes) / memory.totalBytes);
  return l10n.t('memory still comes from {0} ({1} %)', memory.from, share);
}

export function describeExit({ exit }: ProcessInfo): string {
  if (exit === null) return l10n.t('ended');
  if (exit.signal !== null) return l10n.t('ended by {0}', exit.signal);
  return l10n.t('exited with {0}', exit.exitCode ?? 0);
}

/** A handoff's step for people, with its share in percent where one is known. */
export function describeStep(movement: {
  readonly step: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}): string {
  const labels: Readonly<Record<string, string>> = handoffStepLabels;
  const label = labels[movement.step] ?? movement.step;
  if (movement.totalBytes <= 0) return l10n.t(label);
  const share = Math.min(100, Math.floor((100 * movement.doneBytes) / movement.totalBytes));
  return l10n.t('{0} ({1} %)', l10n.t(label), share);
}

function processIcon(
  info: ProcessInfo,
  away: boolean,
): { readonly icon: string; readonly color?: Color } {
  if (away)
    return { icon: info.state === 'inDoubt' ? 'question' : 'circle-outline', color: colors.away };
  switch (info.state) {
    case 'running':
      return { icon: 'circle-filled', color: colors.good };
    case 'stopped':
      return { icon: 'debug-pause', color: colors.paused };
    case 'moving':
    case 'arriving':
      return { icon: 'loading~spin', color: colors.busy };
    case 'inDoubt':
      return { icon: 'question', color: colors.doubt };
    case 'exited':
      return info.exit?.exitCode === 0
        ? { icon: 'pass', color: colors.away }
        : { icon: 'circle-slash', color: colors.bad };
    case 'lost':
      return { icon: 'warning', color: colors.bad };
  }
}

function processContext(info: ProcessInfo, away: boolean): string {
  const words = ['process', info.state, info.origin];
  if (away) return [...words, 'away'].join(' ');
  words.push('present');
  if (isAlive(info)) words.push('alive', 'movable');
  if ((isAlive(info) || info.state === 'moving') && runsNode(info)) words.push('debuggable');
  if (isEnded(info)) words.push('ended');
  if (info.state === 'moving' && !isReleased(info)) words.push('cancellable');
  if (info.hasTerminal && (isAlive(info) || info.state === 'moving')) words.push('terminal');
  return words.join(' ');
}

/** Programs that are Node.js, or start it. Decides what is offered at hand only; the agent looks at the process itself. */
const nodePrograms = /(^|[/\s])(node|nodejs|npm|npx|pnpm|yarn|tsx|ts-node)(?=$|[\s\d.-])/;

function runsNode(info: ProcessInfo): boolean {
  const [program = ''] = info.command;
  const commands = (nodes: readonly ProcessNode[]): string[] =>
    nodes.flatMap(({ command, children }) => [command, ...commands(children)]);
  return [program, ...commands(info.tree)].some((each) => nodePrograms.test(each));
}

/** Whether it is too late to cancel a move that is at this step. */
export function isPastRelease(step: string): boolean {
  return ['commit', 'resume', 'serve'].includes(step);
}

/** Past the release a move goes through; there is nothing to cancel. */
function isReleased({ movement }: ProcessInfo): boolean {
  return movement !== null && isPastRelease(movement.step);
}

function processTooltip(info: ProcessInfo, { awaySince }: Surroundings): string {
  const now = Date.now();
  const status = describeProcessState(info);
  const running = status === '' ? l10n.t('running') : status;
  const parts = [`**${escapeMarkdown(info.name)}** — ${escapeMarkdown(running)}`];
  if (awaySince !== undefined) {
    parts.push(
      l10n.t('The device is away; this is what was known at {0}.', formatTime(awaySince, now)),
    );
  }
  if (info.remark !== null) parts.push(escapeMarkdown(info.remark));
  parts.push(
    detailTable([
      [l10n.t('Command'), codeSpan(shorten(joinCommandLine(info.command), 300))],
      [l10n.t('Directory'), codeSpan(info.cwd)],
      [l10n.t('PID'), info.pid === null ? '' : String(info.pid)],
      [l10n.t('Memory'), info.rssBytes === null ? '' : formatBytes(info.rssBytes)],
      [l10n.t('Started'), l10n.t('{0} ago', formatDuration(Math.max(0, now - info.startedAt)))],
      [l10n.t('Listens on'), info.ports.map((each) => codeSpan(formatPort(each))).join(' ')],
      [l10n.t('Home'), info.atHome ? l10n.t('this device') : escapeMarkdown(info.home.hostName)],
      [l10n.t('Moves'), info.moves === 0 ? '' : String(info.moves)],
      [
        l10n.t('Origin'),
        info.origin === 'adopted' ? l10n.t('adopted while running') : l10n.t('launched by Flick'),
      ],
      [l10n.t('Id'), codeSpan(info.id)],
    ]),
  );
  return parts.join('\n\n');
}

/** A child that the operating system lists below a process. */
export function taskRow(task: ProcessNode, away: boolean): Row {
  const label = shorten(task.command, 80);
  return {
    label: label === '' ? String(task.pid) : label,
    description: [String(task.pid), formatBytes(task.rssBytes)].join(' · '),
    tooltip: () =>
      detailTable([
        [l10n.t('Command'), codeSpan(shorten(task.command, 300))],
        [l10n.t('PID'), String(task.pid)],
        [l10n.t('Memory'), formatBytes(task.rssBytes)],
      ]),
    icon: 'circle-small-filled',
    context: 'task',
    spoken: l10n.t('Child process {0}, PID {1}', label, task.pid),
    away,
  };
}
