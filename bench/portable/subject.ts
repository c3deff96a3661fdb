import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { captureProgram, moveProgram } from '../../agent/engines/v8/index.ts';
import { temporaryFolder } from '../../test/support/temporary.ts';

/** What one move of a program cost. Times in ms, on the wall clock and by the program's own heartbeat. */
export interface Move {
  /** The longest gap between two beats. */
  readonly pauseMs: number;
  /** From the last beat in the old process until that was gone. */
  readonly captureMs: number;
  /** From then to the first beat in the fresh process. */
  readonly restoreMs: number;
  /** The most memory that the process ever had, as a multiple of what it had before. */
  readonly memory: number;
  readonly capsuleBytes: number;
}

const programs = join(import.meta.dirname, 'programs');
const lineSchema = v.object({
  gap: v.optional(v.number()),
  until: v.optional(v.number()),
  ready: v.optional(v.number()),
  whole: v.optional(v.boolean()),
  ms: v.optional(v.number()),
});
type Line = v.InferOutput<typeof lineSchema>;

const answerLimit = 120_000;

/** A program of the portable engine's benchmark, in whichever process it runs. */
export class PortableSubject {
  readonly #folder = temporaryFolder();
  readonly #lines: Line[] = [];
  #child: ChildProcess;
  #text = '';
  #errors = '';

  constructor(name: string, args: readonly string[]) {
    const file = join(programs, name);
    this.#child = this.#adopt(
      spawn(process.execPath, [file, ...args], {
        cwd: this.#folder.path,
        // A package that is an ES module where others expect none is nothing that is measured here.
        env: { ...process.env, NODE_OPTIONS: '--no-experimental-require-module' },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  /** Waits for a line of the program, from the given one on. */
  async says(is: (line: Line) => boolean, from = 0): Promise<Line> {
    const deadline = Date.now() + answerLimit;
    for (;;) {
      const found = this.#lines.slice(from).find(is);
      if (found !== undefined) return found;
      const { exitCode } = this.#child;
      if (exitCode !== null || Date.now() > deadline) {
        throw new Error(`the program said nothing: ${this.#errors.slice(-300)}`);
      }
      await sleep(2);
    }
  }

  /** Has it do what it does when it is asked, and answer. */
  async ask(is: (line: Line) => boolean): Promise<Line> {
    const from = this.#lines.length;
    this.#child.kill('SIGUSR2');
    return await this.says(is, from);
  }

  /** Asks it to move, which it cannot. @throws when it does */
  async refuse(): Promise<void> {
    const file = join(this.#folder.path, 'refused');
    const moved = await captureProgram({ pid: this.#pid, file, patienceMs: 100 }).then(
      () => true,
      () => false,
    );
    if (moved) throw new Error('a program that cannot be moved was');
  }

  /** Moves it into a fresh process. */
  async move(): Promise<Move> {
    const pid = this.#pid;
    const before = memoryOf(pid, 'VmRSS');
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, memoryOf(pid, 'VmHWM'))), 5);
    const file = join(this.#folder.path, 'capsule');
    const from = this.#lines.length;
    const gone = new Promise<number>((resolve) => {
      this.#child.once('exit', () => resolve(Date.now()));
    });
    const { report, child } = await moveProgram({
      ...{ pid, file, node: process.execPath, stdio: ['ignore', 'pipe', 'pipe'] },
    }).finally(() => clearInterval(watch));
    const goneAt = await gone;
    this.#child = this.#adopt(child);
    const { gap = NaN, until = NaN } = await this.says(
      ({ until: end }) => end !== undefined && end > goneAt,
      from,
    );
    const gaps = this.#lines.slice(from).map((line) => line.gap ?? 0);
    return {
      pauseMs: Math.max(...gaps),
      captureMs: goneAt - (until - gap),
      restoreMs: until - goneAt,
      memory: peak / before,
      capsuleBytes: report.bytes,
    };
  }

  end(): void {
    this.#child.kill('SIGKILL');
    this.#folder.remove();
  }

  get #pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the program has not been started');
    return pid;
  }

  #adopt(child: ChildProcess): ChildProcess {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#text + text).split('\n');
      this.#text = lines.pop() ?? '';
      for (const line of lines) {
        // The application of the corpus says in words which port it serves.
        this.#lines.push(
          line.startsWith('{') ? v.parse(lineSchema, JSON.parse(line)) : { ready: 1 },
        );
      }
    });
    return child;
  }
}

/** In kB; 0 for a process that is gone. */
function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
