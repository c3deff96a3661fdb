import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { moveProgram, type MovedProgram } from '../../agent/engines/v8/index.ts';
import { Turns } from '../../common/turns.ts';
import { FlickError } from '../../protocol/index.ts';
import type { CorpusProgram } from './catalogue.ts';
import { isEmulated, nodeCommand, type NodeName, type Route } from './nodes.ts';
import { compare, Performance, type Showing } from './performance.ts';

/** A moment in a program's run: so many lines have been printed, and so many ms have passed since. */
export interface Turn {
  readonly line: number;
  readonly delayMs: number;
}

/** One attempt to move a program: a turn for each hop of the route. */
export interface Attempt {
  readonly route: Route;
  readonly turns: readonly Turn[];
}

/** It went on and came to the same end. */
interface Moved {
  readonly kind: 'moved';
  /** From asking for the move to the first line that was printed after it; of the longest hop. */
  readonly ms: number;
  /** Safe points that were tried until one would do. */
  readonly tries: number;
  /** How many times: it may have come to its end before the last hop of its route. */
  readonly hops: number;
}

export type Outcome =
  | Moved
  /** It was not moved, and came to the same end where it was. */
  | { readonly kind: 'refused'; readonly sentence: string }
  /** It had ended before it could be asked to move. */
  | { readonly kind: 'over' }
  | { readonly kind: 'wrong'; readonly what: string };

interface Patience {
  /** For a safe point. Shorter than the engine's own, since the programs live no longer than a second or two. */
  readonly patienceMs: number;
  /** Much longer than an engine takes to ask, so that one that has another way to does not wait for ever. */
  readonly holdMs: number;
}
const patienceWith: Patience = { patienceMs: 1_000, holdMs: 5_000 };
/** An emulated one takes many times as long for its own work and for the engine's in it. */
const patienceWithEmulated: Patience = { patienceMs: 20_000, holdMs: 60_000 };

/** Runs a program, moves it on its way, and compares what it showed with the reference. */
export async function move(
  program: CorpusProgram,
  reference: Showing,
  { route, turns }: Attempt,
): Promise<Outcome> {
  const performance = new Performance(program);
  try {
    performance.start(route[0]);
    let outcome: Outcome = { kind: 'over' };
    for (const [index, target] of route.slice(1).entries()) {
      if (!(await reachesTurn(performance, turns[index] ?? { line: 1, delayMs: 0 }))) break;
      const patience = isEmulated(route[index]) ? patienceWithEmulated : patienceWith;
      const done = await hop(performance, target, index, patience);
      if (done.kind === 'wrong') return done;
      if (done.kind !== 'moved') {
        // What a second hop refuses does not undo the first one.
        outcome = done.kind === 'over' && index > 0 ? outcome : done;
        break;
      }
      outcome = together(outcome, done);
    }
    const ended = await performance.stageEnds();
    const difference = compare({ output: performance.output, ended }, reference);
    if (difference === undefined) return outcome;
    if (abortedAtItsEnd(performance, ended, reference)) return { kind: 'over' };
    const story = outcome.kind === 'refused' ? `after a refusal (${outcome.sentence}): ` : '';
    const errors = performance.errors === '' ? '' : `\n${performance.errors.slice(0, 1500)}`;
    return { kind: 'wrong', what: `${story}${difference}${errors}` };
  } finally {
    performance.dispose();
  }
}

/**
 * Node.js up to 24 aborts at the signal that opens its inspector when its end has begun in the microseconds since it was
 * looked at. Everything has been done and said by then.
 */
function abortedAtItsEnd(
  { output, errors }: Performance,
  ended: Showing['ended'],
  reference: Showing,
): boolean {
  return (
    ended === 'SIGABRT' &&
    output === reference.output &&
    errors.includes('Assertion failed: start_io_thread_async_initialized')
  );
}

async function reachesTurn(performance: Performance, turn: Turn): Promise<boolean> {
  if (!(await performance.reaches(turn.line))) return false;
  await new Promise((resolve) => setTimeout(resolve, turn.delayMs));
  return performance.isRunning;
}

/** One hop at a time has the machine to itself, or how long it takes would say little; what comes before and after it may go on. */
const hops = new Turns();

async function hop(
  performance: Performance,
  target: NodeName,
  index: number,
  patience: Patience,
): Promise<Outcome> {
  // Whatever waits for input does so until it has been moved, and is there to be captured.
  performance.holdInput();
  performance.signal('SIGSTOP');
  return hops.take('', () => hopAlone(performance, target, index, patience));
}

async function hopAlone(
  performance: Performance,
  target: NodeName,
  index: number,
  { patienceMs, holdMs }: Patience,
): Promise<Outcome> {
  const file = join(performance.folder, `capsule-${String(index)}`);
  const began = Date.now();
  let moved: MovedProgram;
  try {
    const { pid, stdio } = performance;
    const move = moveProgram({ pid, file, patienceMs, node: nodeCommand(target), stdio });
    moved = await heldUntilSignalled(performance, move, holdMs);
  } catch (error) {
    performance.releaseInput();
    if (error instanceof FlickError && error.reason === 'refused') {
      return { kind: 'refused', sentence: error.message };
    }
    const gone = error instanceof FlickError && error.reason === 'processGone';
    if (gone || !performance.isRunning) return { kind: 'over' };
    return { kind: 'wrong', what: `the move failed: ${String(error)}` };
  }
  await performance.stageEnds();
  const before = performance.lines;
  performance.adopt(moved.child);
  performance.releaseInput();
  await performance.reaches(before + 1);
  return { kind: 'moved', ms: Date.now() - began, tries: moved.report.attempts, hops: 1 };
}

/**
 * A program stands still at its turn while it is got ready outside of it that it is asked, which takes longer than its
 * life where other things run: it goes on when the signal that asks it has been sent.
 */
async function heldUntilSignalled<T>(
  performance: Performance,
  move: Promise<T>,
  holdMs: number,
): Promise<T> {
  let isDone = false;
  const done = (): void => {
    isDone = true;
  };
  void move.then(done, done);
  const until = Date.now() + holdMs;
  while (!isDone && Date.now() < until && !isSignalled(performance.pid)) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  performance.signal('SIGCONT');
  return await move;
}

/** Whether SIGUSR1 waits for a process that stands still, or there is none (proc_pid_status(5)). */
function isSignalled(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
    const waiting = /^ShdPnd:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
    return (BigInt(`0x${waiting}`) & (1n << BigInt(constants.signals.SIGUSR1 - 1))) !== 0n;
  } catch {
    return true;
  }
}

/** Both hops, with the longer time and the more tries. */
function together(before: Outcome, done: Moved): Moved {
  if (before.kind !== 'moved') return done;
  return {
    kind: 'moved',
    ms: Math.max(before.ms, done.ms),
    tries: Math.max(before.tries, done.tries),
    hops: before.hops + done.hops,
  };
}
