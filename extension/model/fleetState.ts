import type { ProcessInfo } from '../../protocol/index.ts';

interface DeviceLike {
  readonly isLocal: boolean;
  readonly processes: readonly ProcessInfo[];
}

/** True when there is nothing to show but this computer with nothing on it: then the view welcomes instead. */
export function isFleetEmpty(devices: readonly DeviceLike[]): boolean {
  return devices.every((each) => each.isLocal && each.processes.length === 0);
}

/** How many processes run on all devices. One that is on its way counts once, where it leaves from. */
export function countRunning(devices: readonly DeviceLike[]): number {
  return devices
    .flatMap((each) => each.processes)
    .filter((each) => ['running', 'stopped', 'moving', 'inDoubt'].includes(each.state)).length;
}
