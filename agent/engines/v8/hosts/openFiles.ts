import {
  constants,
  fstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  type Stats,
} from 'node:fs';
import type { FileRecord } from '../capsule/format.ts';
import { reservedDescriptors } from '../capsule/reserved.ts';
import { Refusal } from '../capture/refusal.ts';

/** Devices that are the same after every opening. */
const steadyDevices = /^\/dev\/(null|zero|full|u?random)$/;
/**
 * What Node.js itself keeps open for the time when there are no descriptors left. In a process that was rebuilt it has a
 * number beyond those that were reserved, and a program gets the lowest one that is free.
 */
const spare = '/dev/null';
/** Where Node.js opens the terminal of a standard stream once more for itself. */
const terminals = /^\/dev\/(pts\/\d+|tty\w+|console)$/;
/** Of the ways to open a file those that go on counting (fcntl(2)). */
const lasting = ['O_APPEND', 'O_NONBLOCK', 'O_SYNC', 'O_DSYNC', 'O_NOATIME'] as const;
/**
 * What the kernel adds or what has had its effect: FASYNC, O_DIRECTORY, O_NOFOLLOW, O_LARGEFILE and O_CLOEXEC, where some
 * differ from one architecture to the next (asm/fcntl.h).
 */
const spent = 0o2_760_000;

/**
 * The files that the program has open besides its standard streams, where the system tells.
 * @param isOwn whether a file is the engine's
 * @throws {Refusal} for what cannot be opened again as it is
 */
export function openFiles(isOwn: (path: string) => boolean): FileRecord[] {
  let numbers: number[];
  try {
    numbers = readdirSync('/proc/self/fd').map(Number);
  } catch {
    refuseNameless();
    return [];
  }
  return numbers.flatMap((number) => {
    if (number <= 2) return [];
    const path = targetOf(number);
    if (path?.startsWith('/') !== true || terminals.test(path) || isOwn(path)) return [];
    if (path === spare && number >= reservedDescriptors && numbers.length < number) return [];
    return [fileRecord(number, path)];
  });
}

/** Other systems tell which descriptors there are, but not what a file is called. */
function refuseNameless(): void {
  let numbers: string[];
  try {
    numbers = readdirSync('/dev/fd');
  } catch {
    return;
  }
  for (const each of numbers) {
    if (Number(each) > 2 && statsOf(Number(each))?.isFile() === true) {
      throw cannot(`with the number ${each}`, 'open, whose name this system does not tell');
    }
  }
}

function statsOf(number: number): Stats | undefined {
  try {
    return fstatSync(number);
  } catch {
    return undefined;
  }
}

/** Undefined for a descriptor that has been closed since it was listed. */
function targetOf(number: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${number}`);
  } catch {
    return undefined;
  }
}

function fileRecord(number: number, path: string): FileRecord {
  const stats = fstatSync(number);
  const what = unlike(path, stats);
  if (what !== undefined) throw cannot(path, what);
  const [position, flags] = readInfo(number);
  const names = namesOf(flags, stats);
  if (names === undefined) throw cannot(path, 'open in a way that cannot be repeated');
  if (stats.isDirectory() && position > 0) throw cannot(path, 'a folder that is being read');
  const { size } = stats;
  const onlyAppends = names.includes('O_APPEND') && names.includes('O_WRONLY');
  if (stats.isFile() && position > size && !onlyAppends) {
    throw cannot(path, 'open at a place behind its end');
  }
  return {
    ...{ number, path, flags: names },
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'device',
    position: stats.isFile() ? Math.min(position, size) : 0,
  };
}

/** Why a file cannot be opened again by its name. */
function unlike(path: string, stats: Stats): string | undefined {
  if (stats.isFIFO()) return 'open, which is a pipe';
  if (stats.isCharacterDevice() || stats.isBlockDevice()) {
    return steadyDevices.test(path) ? undefined : 'open, which is a device';
  }
  if (stats.nlink === 0) return 'open, but has been deleted';
  if (/^\/(proc|sys)\//.test(path)) return 'open, which the kernel makes for this device';
  if (!stats.isFile() && !stats.isDirectory()) return 'open, which is no ordinary file';
  let there: Stats | undefined;
  try {
    there = statSync(path);
  } catch {
    // It has another name now.
  }
  return there?.ino === stats.ino && there.dev === stats.dev
    ? undefined
    : 'open, but is not found under its name any more';
}

/** Position and flags of an open file (proc_pid_fdinfo(5)). */
function readInfo(number: number): [position: number, flags: number] {
  const text = readFileSync(`/proc/self/fdinfo/${number}`, 'utf8');
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? '';
  return [Number(field('pos')), Number.parseInt(field('flags'), 8)];
}

/** Undefined when there are some that are not known. */
function namesOf(flags: number, stats: Stats): string[] | undefined {
  if (stats.isFile() && (flags & constants.O_DIRECT) !== 0) return undefined;
  const access = (['O_RDONLY', 'O_WRONLY', 'O_RDWR'] as const).find(
    (name) => constants[name] === (flags & (constants.O_WRONLY | constants.O_RDWR)),
  );
  if (access === undefined) return undefined;
  let rest = flags & ~constants[access] & ~spent;
  const names: string[] = [access];
  for (const name of lasting) {
    if ((rest & constants[name]) !== constants[name]) continue;
    names.push(name);
    rest &= ~constants[name];
  }
  return rest === 0 ? names : undefined;
}

function cannot(path: string, what: string): Refusal {
  return new Refusal(`Cannot move yet: the file ${path} is ${what}.`, {
    passing: true,
    hint: 'Close it before the move.',
  });
}
