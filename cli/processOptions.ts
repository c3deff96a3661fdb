import { constants } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import type { Device } from '../client/device.ts';
import { UsageError } from './errors.ts';

/** A folder on the device: relative to the current one on this machine, absolute elsewhere. */
export function devicePath(path: string, device: Device, option: string): string {
  if (device.isLocal) return resolve(path);
  if (isAbsolute(path)) return path;
  throw new UsageError(`${option} must be an absolute path on ${device.name}; “${path}” is not.`);
}

export function carriedFolders(
  carry: readonly string[] | undefined,
  device: Device,
): string[] | undefined {
  return carry?.map((each) => devicePath(each, device, '--carry'));
}

/** @param settings `K=V`, the value may be empty */
export function readEnvironment(settings: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    settings.map((each) => {
      const end = each.indexOf('=');
      if (end < 1) throw new UsageError(`--env takes NAME=VALUE; “${each}” is not.`);
      return [each.slice(0, end), each.slice(end + 1)];
    }),
  );
}

/** The name of a signal given as `SIGTERM`, `term` or `15`. */
export function readSignal(given: string): string {
  const all = Object.entries(constants.signals);
  const wanted = given.toUpperCase();
  const found = all.find(
    ([name, number]) => name === wanted || name === `SIG${wanted}` || String(number) === given,
  );
  if (found !== undefined) return found[0];
  throw new UsageError(`“${given}” is not a signal.`);
}

/** The exit status that a shell gives for how a process ended: 128 and the signal's number after a signal. */
export function shellStatus(exit: { exitCode: number | null; signal: string | null }): number {
  if (exit.exitCode !== null) return exit.exitCode;
  const number = Object.entries(constants.signals).find(([name]) => name === exit.signal)?.[1];
  return number === undefined ? 1 : 128 + number;
}
