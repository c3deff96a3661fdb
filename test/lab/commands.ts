import { spawn } from 'node:child_process';

/** What a program that ran to its end left. `code` is 128 and the signal's number after a signal. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Standard input; empty where none is given. */
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

const signalNumbers: Readonly<Record<string, number>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** An exit status as a shell gives it. */
export function exitStatus(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signalNumbers[signal ?? ''] ?? 0);
}

/**
 * Runs a program to its end and keeps its output. A daemon that it leaves behind may hold the
 * output open: that is not waited for.
 * @throws {Error} where the program cannot be started
 */
export function run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [command = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: options.env ?? process.env,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // A program that does not read its input is no failure of the caller's.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    child.on('error', reject);
    let timer: NodeJS.Timeout | undefined;
    const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code: exitStatus(code, signal), stdout, stderr });
    };
    child.on('close', finish);
    child.on('exit', (code, signal) => {
      timer = setTimeout(() => {
        finish(code, signal);
      }, 500);
    });
  });
}

/**
 * Like {@link run} for a program that has to succeed.
 * @returns its stdout
 * @throws {Error} with what it printed
 */
export async function mustRun(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code === 0) return stdout;
  throw new Error(`Failed to run ${argv.join(' ')} (status ${String(code)}): ${stderr.trim()}`);
}
