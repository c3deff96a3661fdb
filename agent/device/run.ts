import { spawn } from 'node:child_process';

export interface RunResult {
  /** Exit status; 127 when the program does not exist, 128 + n when signal n ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Longest output that is kept of either stream, in characters. */
const maxOutput = 1 << 20;

/** Runs a program to its end, never through a shell. Ends it with SIGKILL after `timeoutMs`. Never rejects. */
export async function run(
  argv: readonly [string, ...string[]],
  options: { readonly timeoutMs?: number; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<RunResult> {
  const [program, ...rest] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: options.env ?? process.env,
      timeout: options.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout = (stdout + chunk).slice(-maxOutput);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = (stderr + chunk).slice(-maxOutput);
    });
    child.once('error', (error) => resolve({ code: 127, stdout, stderr: error.message }));
    child.once('close', (code) => resolve({ code: code ?? 137, stdout, stderr }));
  });
}
