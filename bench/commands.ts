import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { childrenOf, findProcess, killAndWait } from '../test/lab/processes.ts';

/** A program to spawn, and the environment it gets; this one's where none is given. */
export interface Command {
  readonly argv: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export interface Started {
  readonly child: ChildProcess;
  /** The next line that it prints. @throws {Error} with its errors where it ends before */
  readonly line: () => Promise<string>;
  /** @throws {Error} with its errors where it ends with another status than 0 */
  readonly ended: Promise<void>;
}

/** A program that runs, its output not yet read. */
interface Running extends Omit<Started, 'line'> {
  readonly stdout: Readable;
}

function run({ argv, env }: Command, extra: boolean): Running {
  const [command = '', ...args] = argv;
  const child = spawn(command, args, {
    env: env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe', ...(extra ? ['pipe' as const] : [])],
  });
  let errors = '';
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error(`${command} has no output to read`);
  stderr
    .setEncoding('utf8')
    .on('data', (chunk: string) => (errors = (errors + chunk).slice(-2000)));
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      const how = signal ?? String(code);
      if (code === 0) resolve();
      else reject(new Error(`${argv.join(' ')} ended with ${how}: ${errors.trim()}`));
    });
  });
  // Whoever waits for its output hears of it as well.
  ended.catch(() => undefined);
  return { child, stdout, ended };
}

/**
 * Starts a program whose output is read line by line.
 * @param extra whether it gets a pipe to write to as descriptor 3; see {@link firstData}
 */
export function start(command: Command, extra = false): Started {
  const { child, stdout, ended } = run(command, extra);
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const next = await lines.next();
    if (next.done !== true) return next.value;
    await ended;
    throw new Error(`${command.argv.join(' ')} ended without a word`);
  };
  return { child, line, ended };
}

/** Runs a program to its end. @returns what it printed @throws {Error} where it fails */
export async function output(command: Command): Promise<string> {
  const { stdout, ended } = run(command, false);
  const [printed] = await Promise.all([text(stdout), ended]);
  return printed;
}

/** Ends a program and all that it has started, in whatever namespaces. */
export async function endTree({ child }: Started): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const all = [pid];
  // Those found are looked through as well.
  for (const each of all) all.push(...childrenOf(each));
  await killAndWait(all.flatMap((each) => findProcess(each) ?? []));
}

/** Waits for the first byte on descriptor 3 of a program. @returns when it came, ms since the epoch */
export async function firstData({ child, ended }: Started): Promise<number> {
  const pipe = child.stdio[3] as Readable;
  const came = new Promise<number>((resolve) => {
    pipe.once('data', () => resolve(Date.now()));
  });
  const early = ended.then(() => {
    throw new Error('It ended before it was ready');
  });
  return Promise.race([came, early]);
}
