import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { handoffStepLabels, type HandoffStep } from '../../protocol/index.ts';
import type { Ran } from '../support/flick.ts';
import { root } from '../support/provisioned.ts';

/** A `flick` command while it runs: what it says can be waited for, and it can be interrupted. */
export class UnderWay {
  readonly ended: Promise<Ran>;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();
  #stdout = '';
  #stderr = '';
  #isOver = false;

  /** @param file the `flick` to run; that of this build when not given */
  constructor(home: string, args: readonly string[], file = join(root, 'dist/cli.cjs')) {
    const child = spawn(process.execPath, [file, ...args], {
      env: { ...process.env, FLICK_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 100_000,
      killSignal: 'SIGKILL',
    });
    this.#child = child;
    const heard = (): void => {
      for (const listener of this.#listeners) listener();
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      heard();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      heard();
    });
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        this.#isOver = true;
        heard();
        resolve({ code: code ?? 137, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  /** Waits until a move is at a step, or past it. @throws when the command ends first */
  async reaches(step: HandoffStep): Promise<void> {
    await this.says(handoffStepLabels[step]);
  }

  async says(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const said = `${this.#stdout}${this.#stderr}`.includes(text);
        if (!said && !this.#isOver) return;
        this.#listeners.delete(look);
        if (said) resolve();
        else
          reject(new Error(`It ended before it said “${text}”:\n${this.#stdout}${this.#stderr}`));
      };
      this.#listeners.add(look);
      look();
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
