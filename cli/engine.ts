import { Option } from 'commander';
import { engineLabels } from '../client/engineChoice.ts';
import type { MoveCheck } from '../client/move.ts';
import { engineNames } from '../protocol/index.ts';
import { escapeControl } from './text.ts';

export function engineOption(): Option {
  return new Option('--engine <engine>', 'how it is moved: v8 moves Node.js programs anywhere')
    .choices(['auto', ...engineNames])
    .default('auto');
}

/** How a process is moved, and why not otherwise. */
export function describeEngine({
  engine,
  engineReason,
}: Pick<MoveCheck, 'engine' | 'engineReason'>): string {
  const why = engineReason === null ? '' : ` ${escapeControl(engineReason)}`;
  return `Moved by ${engineLabels[engine]}.${why}`;
}
