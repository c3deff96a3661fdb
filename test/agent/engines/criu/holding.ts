import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FactsInput, gatherFacts } from '../../../../agent/engines/criu/facts.ts';
import type { CriuFacts } from '../../../../agent/engines/criu/factsSchema.ts';
import { provisioned } from '../../../support/provisioned.ts';
import type { Finding } from '../../../../protocol/index.ts';
import { checkDeparture } from '../../../../agent/engines/criu/departureCheck.ts';

const { criu } = provisioned;
export const python = ['/usr/bin/python3', '/usr/local/bin/python3'].find((path) =>
  existsSync(path),
);
export const isRoot = process.getuid?.() === 0;

/** Why tests with real dumps cannot run here; undefined when they can. */
export function whyNoDumps(): string | undefined {
  if (!isRoot) return 'not root';
  return existsSync(criu) ? undefined : 'no CRIU in .cache/criu';
}

export interface Held {
  readonly pid: number;
  readonly folder: string;
  readonly child: ChildProcess;
  end(): void;
}

/** What each program begins with: `call(number, …)` for system calls that Python has no function for. */
const prelude = `
import ctypes, os, socket, sys, time, fcntl, mmap, signal, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.shmat.restype = ctypes.c_void_p
def check(result):
    if result is None or result == -1: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def call(*args): return check(libc.syscall(*args))
def ready(): open('ready', 'w').close()
`;

/** Starts a Python program that holds something, as the leader of a session, in a folder of its own. */
export async function hold(code: string, args: readonly string[] = []): Promise<Held> {
  if (python === undefined) throw new Error('no python3');
  const folder = mkdtempSync(join(tmpdir(), 'flick-hold-'));
  const script = join(folder, 'held.py');
  writeFileSync(script, `${prelude}${code}\nready()\nwhile True: time.sleep(60)\n`);
  return start([python, script, ...args], folder);
}

/** Starts any program that makes a file `ready` in its folder, and waits for that. */
export async function start(
  argv: readonly [string, ...string[]],
  folder: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Held> {
  const [program, ...args] = argv;
  const child = spawn(program, args, { cwd: folder, detached: true, stdio: 'ignore', env });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} did not start`);
  const held: Held = {
    pid,
    folder,
    child,
    end: () => {
      // The whole group: children of the program must not outlive the test.
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        child.kill('SIGKILL');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
  for (let tries = 0; !existsSync(join(folder, 'ready')); tries += 1) {
    if (child.exitCode !== null || tries > 1_200) {
      held.end();
      throw new Error('the program could not make what it should hold');
    }
    await new Promise((done) => setTimeout(done, 25));
  }
  return held;
}

export function factsOf(pid: number, input: Partial<FactsInput> = {}): Promise<CriuFacts> {
  return gatherFacts({ rootPid: pid, flickOwnedTty: false, carry: [], ...input });
}

/** The findings of a check as the agent's own user, outside a cell. */
export async function findingsOf(pid: number): Promise<Finding[]> {
  return checkDeparture(await factsOf(pid), {
    uid: process.getuid?.() ?? 0,
    inCell: false,
    hasHelper: true,
  });
}

/** Options that the engine gives every dump (commands.ts). */
const options = [
  '-v4',
  '--manage-cgroups=ignore',
  '--file-locks',
  '--link-remap',
  '--ghost-limit',
  String(4 * 2 ** 30),
  '--skip-in-flight',
  '--tcp-close',
];

/** Dumps with real CRIU and lets the process run on. */
export function dump(
  held: Held,
  extra: readonly string[] = [],
): { readonly ok: boolean; readonly log: string } {
  const images = mkdtempSync(join(held.folder, 'images-'));
  const { status } = spawnSync(
    criu,
    ['dump', '-t', String(held.pid), '-D', images, '-o', 'dump.log', '--leave-running'].concat(
      options,
      extra,
    ),
    { stdio: 'ignore' },
  );
  return { ok: status === 0, log: readFileSync(join(images, 'dump.log'), 'utf8') };
}
