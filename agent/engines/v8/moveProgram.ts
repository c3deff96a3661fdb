import type { ChildProcess } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readStatus } from '../../procfs/status.ts';
import { captureProgram, type CaptureOptions, type CaptureReport } from './captureProgram.ts';
import { restoreProgram, type RestoreOptions } from './restoreProgram.ts';

export type MoveOptions = RestoreOptions & Pick<CaptureOptions, 'pid' | 'patienceMs'>;

export interface MovedProgram {
  readonly report: CaptureReport;
  /** The program's process from now on. */
  readonly child: ChildProcess;
}

/** How often is looked whether the old process has gone, in ms. */
const lookInterval = 1;

/**
 * Moves a program into a fresh process on this machine. That is started, and gets ready for it, while the program still
 * runs; it goes on there when its old process has ended.
 * @throws {FlickError} as `captureProgram`; the program then goes on where it is
 */
export async function moveProgram(options: MoveOptions): Promise<MovedProgram> {
  const { pid, patienceMs } = options;
  const file = resolve(options.file);
  const readiness = { advance: `${file}.advance`, ready: `${file}.ready`, go: `${file}.go` };
  const { go, ...announce } = readiness;
  // What an earlier move left would be taken for this one's.
  for (const each of [file, ...Object.values(readiness)]) rmSync(each, { force: true });
  const child = restoreProgram({ ...options, file, readiness });
  // Whoever asked for the move hears of it by the program's not going on.
  child.once('error', () => undefined);
  try {
    const report = await captureProgram({
      ...{ pid, file, announce },
      ...(patienceMs === undefined ? {} : { patienceMs }),
    });
    while (await isThere(pid)) await delay(lookInterval);
    writeFileSync(go, '', { mode: 0o600 });
    return { report, child };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    for (const each of Object.values(announce)) rmSync(each, { force: true });
  }
}

/** One that has not been waited for has let go of everything when the last of its threads has ended. */
async function isThere(pid: number): Promise<boolean> {
  const status = await readStatus(pid);
  if (status === undefined) return false;
  return status.state !== 'Z' || (await readdir(`/proc/${pid}/task`).catch(() => [])).length > 1;
}
