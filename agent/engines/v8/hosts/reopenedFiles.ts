import type { SpawnSyncReturns } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import type { FileRecord } from '../capsule/format.ts';
import { reservedDescriptors } from '../capsule/reserved.ts';
import { RebuildError } from '../rebuild/rebuildError.ts';
import { needModule } from './loaded.ts';

const nothing = '/dev/null';
/** Why a file cannot be opened, by the code of the error. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'is not on this device',
  EACCES: 'may not be opened by this user on this device',
  EPERM: 'may not be opened by this user on this device',
  EROFS: 'cannot be written on this device',
  EISDIR: 'is a folder on this device',
  ENOTDIR: 'is no folder on this device',
};

/** Lets go of the numbers that were kept free for the files of a program, so that they have the numbers that they had. */
function releaseReserved(): void {
  const device = statSync(nothing, { throwIfNoEntry: false })?.rdev;
  if (device === undefined) return;
  for (let number = 3; number < reservedDescriptors; number += 1) {
    try {
      const stats = fstatSync(number);
      if (stats.isCharacterDevice() && stats.rdev === device) closeSync(number);
    } catch {
      // It is free.
    }
  }
}

/**
 * Opens the files that the program had open: under the same numbers, in the same way, at the same place.
 * @throws {RebuildError} when one is not there, or has become too short
 */
export function reopenFiles(files: readonly FileRecord[]): void {
  releaseReserved();
  for (const file of files) reopen(file);
}

function reopen(file: FileRecord): void {
  const { number, path, kind, position, flags } = file;
  openAt(number, path, flagsOf(file));
  const stats = fstatSync(number);
  const isSame =
    kind === 'file' ? stats.isFile() : kind === 'folder' ? stats.isDirectory() : stats.rdev !== 0;
  if (!isSame) throw unusable(path, 'is something else on this device');
  if (kind === 'file' && stats.size < position) {
    throw unusable(path, `is shorter on this device than where the program was in it`);
  }
  // What only appends has no place of its own.
  if (position > 0 && !(flags.includes('O_APPEND') && flags.includes('O_WRONLY'))) {
    seek(number, path, position);
  }
}

function flagsOf({ path, flags }: FileRecord): number {
  let all = 0;
  for (const name of flags) {
    const flag = (constants as Record<string, number | undefined>)[name];
    if (flag === undefined) throw unusable(path, `cannot be opened with ${name} on this system`);
    all |= flag;
  }
  return all;
}

/** The lowest number that is free is taken, so all below are for a moment. */
function openAt(number: number, path: string, flags: number): void {
  const below: number[] = [];
  try {
    let next = openSync(nothing, 'r');
    for (; next < number; next = openSync(nothing, 'r')) below.push(next);
    closeSync(next);
    if (next > number) {
      throw unusable(path, `has the number ${number}, which Node.js itself uses here`);
    }
    openSync(path, flags);
  } catch (error) {
    if (error instanceof RebuildError) throw error;
    const { code = '' } = error as NodeJS.ErrnoException;
    throw unusable(path, reasons[code] ?? `cannot be opened: ${code}`);
  } finally {
    for (const each of below) closeSync(each);
  }
}

/**
 * Node.js has no `lseek`. An open file is shared with a child, and so is its position; `dd` skips what it has at its
 * standard input, by seeking where that can be, and copies nothing.
 */
function seek(number: number, path: string, position: number): void {
  const { spawnSync } = needModule('child_process') as {
    spawnSync(command: string, args: string[], options: object): SpawnSyncReturns<Buffer>;
  };
  const args = ['bs=1', `skip=${position}`, 'count=0'];
  spawnSync('dd', args, { stdio: [number, 'ignore', 'ignore'] });
  let info: string;
  try {
    info = readFileSync(`/proc/self/fdinfo/${number}`, 'utf8');
  } catch {
    throw unusable(path, 'cannot be gone on with at the same place on this system');
  }
  if (!info.startsWith(`pos:\t${position}\n`)) {
    throw unusable(path, `cannot be gone on with at the same place: “dd” could not seek in it`);
  }
}

function unusable(path: string, why: string): RebuildError {
  return new RebuildError(`${path}, which the program has open, ${why}`);
}
