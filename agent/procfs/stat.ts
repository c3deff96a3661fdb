import { readFileSync } from 'node:fs';
import { readProc } from './read.ts';

/** /proc/PID/stat (proc_pid_stat(5)), the fields that Flick uses. */
export interface ProcessStat {
  readonly pid: number;
  /** At most 15 bytes of any kind, set by the process itself. */
  readonly comm: string;
  /** R, S, D, T (stopped), t (traced), Z, X, I. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Device number of the controlling terminal, 0 without one. */
  readonly tty: number;
  readonly flags: number;
  readonly threads: number;
  /** Clock ticks since boot (1/100 s on every Linux that Node runs on). */
  readonly startTicks: number;
  readonly rssBytes: number;
}

/** PF_KTHREAD of include/linux/sched.h. */
const kernelThreadFlag = 0x0020_0000;
const ticksPerSecond = 100;
const defaultPageSize = 4096;

/** Parses the file's content; undefined when it is not one. A comm may hold `) ` and line breaks: the last `)` ends it. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const fields = text
    .slice(close + 1)
    .trim()
    .split(' ');
  // fields[0] is the third field of the manual page.
  const number = (field: number): number => Number(fields[field - 3] ?? Number.NaN);
  const pid = Number(text.slice(0, open));
  const state = fields[0];
  const startTicks = number(22);
  if (!Number.isInteger(pid) || state === undefined || !Number.isFinite(startTicks)) {
    return undefined;
  }
  return {
    pid,
    comm: text.slice(open + 1, close),
    state,
    parent: number(4),
    group: number(5),
    session: number(6),
    tty: number(7),
    flags: number(9),
    threads: number(20),
    startTicks,
    rssBytes: Math.max(0, number(24)) * pageSize(),
  };
}

/** undefined when there is no such process. */
export async function readStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await readProc(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

export async function readTaskStat(pid: number, tid: number): Promise<ProcessStat | undefined> {
  const text = await readProc(`/proc/${pid}/task/${tid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

export function isKernelThread(stat: ProcessStat): boolean {
  return (stat.flags & kernelThreadFlag) !== 0;
}

/** A process that has ended and only waits for its parent to ask how. */
export function hasEnded(stat: ProcessStat): boolean {
  return stat.state === 'Z' || stat.state === 'X';
}

/** When a process started by the wall clock, in ms since 1970. Good to a few 10 ms. */
export function startTime(startTicks: number, uptimeMs: number, now: number): number {
  return now - uptimeMs + (startTicks * 1000) / ticksPerSecond;
}

/** Time since boot in ms, time asleep included, as start times count it; 0 when it cannot be read. */
export async function readUptime(): Promise<number> {
  const text = await readProc('/proc/uptime');
  const seconds = Number(text?.split(' ')[0]);
  return Number.isFinite(seconds) ? seconds * 1000 : 0;
}

let knownPageSize: number | undefined;

/** From the auxiliary vector (AT_PAGESZ, getauxval(3)) of this process: 4 KiB, on some arm64 kernels 16 or 64 KiB. */
export function pageSize(): number {
  if (knownPageSize !== undefined) return knownPageSize;
  knownPageSize = defaultPageSize;
  try {
    const vector = readFileSync('/proc/self/auxv');
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === 6n) knownPageSize = Number(vector.readBigUInt64LE(at + 8));
    }
  } catch {
    // The default is right nearly everywhere.
  }
  return knownPageSize;
}
