import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  captureProgram,
  moveProgram,
  restoreProgram,
  type CaptureReport,
} from '../../../../agent/engines/v8/index.ts';

/** How long a program may take for what a test waits for, in ms. */
const patience = 60_000;

/** A program that prints lines, and is moved between two of them. */
export class MovedProgram {
  readonly reports: CaptureReport[] = [];
  readonly errors: string[] = [];
  readonly #folder: string;
  #child: ChildProcess;
  #text = '';

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.#child = child;
    this.#listen();
  }

  static async start(folder: string, node: string, source: string): Promise<MovedProgram> {
    const file = join(folder, 'program.js');
    await writeFile(file, source);
    const child = spawn(node, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
    return new MovedProgram(folder, child);
  }

  get lines(): readonly string[] {
    return this.#text.split('\n').slice(0, -1);
  }

  get child(): ChildProcess {
    return this.#child;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #listen(): void {
    const child = this.#child;
    child.stdout?.on('data', (chunk: Buffer) => (this.#text += chunk.toString('utf8')));
    child.stderr?.on('data', (chunk: Buffer) => this.errors.push(chunk.toString('utf8')));
  }

  async untilLines(count: number): Promise<void> {
    const deadline = performance.now() + patience;
    while (this.lines.length < count) {
      if (performance.now() > deadline || this.#child.exitCode !== null) {
        throw new Error(
          `There are ${this.lines.length} lines, not ${count}. ${this.errors.join('')}`,
        );
      }
      await delay(10);
    }
  }

  async move(node: string): Promise<void> {
    const file = join(this.#folder, `move-${this.reports.length}.capsule`);
    const source = this.#child;
    const ended = once(source, 'close');
    this.reports.push(await captureProgram({ pid: this.pid, file, patienceMs: 20_000 }));
    await ended;
    this.#child = restoreProgram({ file, node, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#listen();
  }

  /** Moves it into a process that is started before it stands still. */
  async moveAhead(node: string): Promise<void> {
    const file = join(this.#folder, `move-${this.reports.length}.capsule`);
    const ended = once(this.#child, 'close');
    const { report, child } = await moveProgram({
      ...{ pid: this.pid, file, node, patienceMs: 20_000, stdio: ['ignore', 'pipe', 'pipe'] },
    });
    await ended;
    this.reports.push(report);
    this.#child = child;
    this.#listen();
  }

  /** @returns the exit status */
  async end(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, 'close');
    return this.#child.exitCode;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
