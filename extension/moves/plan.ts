import type { Device } from '../../client/device.ts';
import { l10n } from '../l10n.ts';
import { isAlive } from '../model/processRow.ts';
import type { Element, ProcessElement } from '../views/elements.ts';

/** One process that is to go from where it is to another device. */
export interface PlannedMove {
  readonly from: Device;
  readonly processId: string;
  readonly processName: string;
  readonly to: Device;
}

export interface MovePlan {
  readonly moves: readonly PlannedMove[];
  /** Sentences on what was dragged but cannot go. */
  readonly left: readonly string[];
}

/** The device that a row belongs to: dropping on anything under a device means the device. */
export function deviceOf(element: Element): Device {
  return element.device;
}

/** The managed process that a row stands for; a child process stands for the whole, as only the whole moves. */
export function processOf(element: Element): ProcessElement | undefined {
  let current: Element | undefined = element;
  while (current !== undefined && current.kind !== 'process') current = current.parent;
  return current;
}

/**
 * What dropping `dragged` onto `to` asks for. Processes that are already there are passed over in silence, and a
 * process that was dragged together with its children goes once.
 */
export function planMoves(dragged: readonly Element[], to: Device): MovePlan {
  const moves = new Map<string, PlannedMove>();
  const left = new Set<string>();
  for (const element of dragged) {
    const process = processOf(element);
    if (process === undefined) {
      if (element.kind === 'candidate' && element.device !== to) {
        left.add(l10n.t('{0} has to be adopted before it can move.', element.candidate.name));
      }
      continue;
    }
    const { info, device } = process;
    if (device === to) continue;
    if (isAlive(info)) {
      const move = { from: device, processId: info.id, processName: info.name, to };
      moves.set(`${device.name}/${info.id}`, move);
    } else if (info.state === 'moving' || info.state === 'arriving') {
      left.add(l10n.t('{0} is already on its way.', info.name));
    } else if (info.state === 'inDoubt') {
      left.add(l10n.t('{0} has a move in doubt, which must be resolved first.', info.name));
    } else {
      left.add(l10n.t('{0} does not run any more.', info.name));
    }
  }
  return { moves: [...moves.values()], left: [...left] };
}
