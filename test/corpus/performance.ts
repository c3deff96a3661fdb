import { execFileSync, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { constants, closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Deferred } from '../../common/deferred.ts';
import { temporaryFolder } from '../support/temporary.ts';
import type { CorpusProgram } from './catalogue.ts';
import { nodeCommand, type NodeName } from './nodes.ts';

/** What a program showed of itself. */
export interface Showing {
  readonly output: string;
  /** Its exit status, or the signal that ended it. */
  readonly ended: number | NodeJS.Signals;
}

// Many times what a program takes, even when both cores are busy.
const limitMs = 60_000;

/**
 * One program from its start to its end, through all processes that it runs in: their outputs make
 * one text, and whatever is typed for it reaches the one that runs, as in a terminal that stays.
 */
export class Performance {
  readonly #program: CorpusProgram;
  readonly #folder = temporaryFolder();
  readonly #input: { readonly reader: number; readonly writer: number } | undefined;
  readonly #waiting = new Set<() => void>();
  #output = '';
  #errors = '';
  #asked = 0;
  #isHeld = false;
  #child: ChildProcess | undefined;
  #stage = new Deferred<Showing['ended']>();

  constructor(program: CorpusProgram) {
    this.#program = program;
    if (program.input.length === 0) return;
    const path = join(this.#folder.path, '.input');
    execFileSync('mkfifo', [path]);
    // Open in both directions, so that it has a writer as long as this object lives.
    const writer = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.#input = { writer, reader: openSync(path, constants.O_RDONLY) };
  }

  /** Starts it in a Node.js of its own. */
  start(name: NodeName): void {
    const [node = '', ...before] = nodeCommand(name);
    const env = { ...process.env, NODE_OPTIONS: undefined, CORPUS_GIVEN: 'g' };
    const options = { cwd: this.cwd, env, stdio: this.stdio };
    this.adopt(spawn(node, [...before, this.#program.file], options));
  }

  /** The program runs in this process from now on. */
  adopt(child: ChildProcess): void {
    const stage = new Deferred<Showing['ended']>();
    this.#stage = stage;
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => this.#take(chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.#errors += chunk));
    child.on('error', (error) => {
      this.#errors += error.message;
      stage.resolve(127);
    });
    child.on('close', (code, signal) => {
      stage.resolve(code ?? signal ?? -1);
      for (const wake of this.#waiting) wake();
    });
  }

  /** Waits until it has printed so many lines, or the process that it runs in has ended. @returns whether it runs */
  async reaches(lines: number): Promise<boolean> {
    const due = (): boolean => !this.isRunning || this.lines >= lines;
    if (!due()) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          if (!due()) return;
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    return this.isRunning;
  }

  /** How the process that it runs in has ended, when all of its output is here. @throws when it does not end */
  async stageEnds(): Promise<Showing['ended']> {
    const stage = this.#stage.promise;
    const timer = setTimeout(() => {
      this.#errors += `\n(killed after ${String(limitMs)} ms)`;
      this.#child?.kill('SIGKILL');
    }, limitMs);
    try {
      return await stage;
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.#program.name} has not been started`);
    return pid;
  }

  /** Does nothing when it has ended. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get output(): string {
    return this.#output;
  }

  /** What it wrote to its standard error, in any process. */
  get errors(): string {
    return this.#errors;
  }

  get lines(): number {
    return this.#output.split('\n').length - 1;
  }

  /** The folder that is its own, for its files and its capsules. */
  get folder(): string {
    return this.#folder.path;
  }

  get cwd(): string {
    const path = join(this.#folder.path, 'work');
    execFileSync('mkdir', ['-p', path]);
    return path;
  }

  /** What a process that it is to run in gets as standard streams. */
  get stdio(): StdioOptions {
    return [this.#input?.reader ?? 'ignore', 'pipe', 'pipe'];
  }

  dispose(): void {
    if (this.isRunning) this.#child?.kill('SIGKILL');
    if (this.#input !== undefined) {
      closeSync(this.#input.reader);
      closeSync(this.#input.writer);
    }
    this.#folder.remove();
  }

  /** From now on nothing is typed, whatever it asks. */
  holdInput(): void {
    this.#isHeld = true;
  }

  /** Types what it has asked for meanwhile, and goes on with it. */
  releaseInput(): void {
    this.#isHeld = false;
    this.#answer();
  }

  #take(chunk: string): void {
    this.#output += chunk;
    this.#answer();
    for (const wake of this.#waiting) wake();
  }

  #answer(): void {
    if (this.#isHeld) return;
    const asked = this.#output.match(/^\?.*\n/gm)?.length ?? 0;
    for (; this.#asked < asked; this.#asked += 1) {
      const line = this.#program.input[this.#asked];
      if (line !== undefined && this.#input !== undefined)
        writeSync(this.#input.writer, `${line}\n`);
    }
  }
}

// Longer than a capture that is given up again keeps a small program waiting.
const stallMs = 400;

/**
 * A run in one Node.js, from the start to the end.
 * @param stallAt at so many lines it stands still for a while, as it does when it is captured; never where undefined
 */
export async function perform(
  program: CorpusProgram,
  node: NodeName,
  stallAt?: number,
): Promise<Showing> {
  const performance = new Performance(program);
  try {
    performance.start(node);
    if (stallAt !== undefined && (await performance.reaches(stallAt))) {
      performance.signal('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, stallMs));
      performance.signal('SIGCONT');
    }
    const ended = await performance.stageEnds();
    const { output, errors } = performance;
    // One that fails on its way has nothing that a move could get wrong.
    if (ended === 'SIGKILL' || !/^ *end\b/m.test(output))
      throw new Error(`${program.name} does not come to its end: ${String(ended)}\n${errors}`);
    return { output, ended };
  } finally {
    performance.dispose();
  }
}

/** @returns the first difference, as a person would say it */
export function compare(showing: Showing, reference: Showing): string | undefined {
  if (showing.output !== reference.output) {
    const lines = showing.output.split('\n');
    const wanted = reference.output.split('\n');
    const at = wanted.findIndex((line, index) => line !== lines[index]);
    const line = at < 0 ? wanted.length : at;
    const [got, want] = [lines[line], wanted[line]].map(
      (text) => JSON.stringify(text) ?? 'nothing',
    );
    return `line ${String(line + 1)} of ${String(wanted.length)} is ${got ?? ''}, not ${want ?? ''}; it ended with ${String(showing.ended)}`;
  }
  if (showing.ended === reference.ended) return undefined;
  return `it ended with ${String(showing.ended)}, not with ${String(reference.ended)}`;
}
