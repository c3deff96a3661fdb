import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/provisioned.ts';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** The command line as the build makes it. */
export const flickFile = join(root, 'dist', 'cli.cjs');

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `flick` with a home of its own, and with it a real agent of its own on this machine. */
export class Flick {
  readonly #folder = temporaryFolder();
  readonly home = join(this.#folder.path, 'home');
  readonly environment: NodeJS.ProcessEnv = { ...process.env, FLICK_HOME: this.home };

  /** Runs a command to its end. `input` is its standard input; without, it is empty. */
  async run(args: readonly string[], input = ''): Promise<Finished> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [flickFile, ...args], {
        env: this.environment,
        cwd: this.#folder.path,
        // No controlling terminal: nothing can be asked.
        detached: true,
      });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
      child.on('error', reject);
      child.on('close', (status) => resolve({ status, stdout, stderr }));
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    });
  }

  /** Runs a command with `--json` and reads what it printed. @throws when its exit status is not `status` */
  async json(args: readonly string[], status = 0): Promise<unknown> {
    const [command = '', ...rest] = args;
    const words =
      command === 'device'
        ? [command, rest[0] ?? '', '--json', ...rest.slice(1)]
        : [command, '--json', ...rest];
    const finished = await this.run(words);
    if (finished.status !== status) {
      throw new Error(`flick ${words.join(' ')}: ${JSON.stringify(finished)}`);
    }
    return JSON.parse(finished.stdout);
  }

  /** Makes the next agents of this home find no CRIU. */
  hideCriu(): void {
    this.environment['FLICK_CRIU'] = '/nonexistent';
  }

  async dispose(): Promise<void> {
    if (existsSync(join(this.home, 'agent.sock'))) {
      await this.run(['device', 'agent-remove', 'local', '--force']);
    }
    this.#folder.remove();
  }
}

/** Skips where the build has not been made. */
export function requireBuilt(context: Mocha.Context): void {
  if (!existsSync(flickFile)) skip(context, 'dist/cli.cjs was not built');
}
