import { cpuUsage, memoryUsage } from 'node:process';
import { Spool } from '../capsule/spool.ts';
import { hiddenOf, hostWorld, newGraph, rootsOf, type Means } from './means.ts';
import { forgetNatives } from './natives.ts';

/** How long the program is kept from its own work at a time, in ms; what cannot be parted takes longer. */
const turnMs = 8;
/** How much of a processor it takes altogether, in ms. */
const budgetMs = 700;
/** With more than this in its heap the program stands still long enough for what is gained not to matter, in bytes. */
const heapLimit = 128 << 20;

/**
 * Goes through the program while it runs on, a little in each turn of its event loop, and forgets what it found: what
 * V8 compiles on the way need not be compiled while the program stands still. It leaves no more behind than a try that is
 * refused: nothing is held, and no question of the inspector is open, when `then` is called.
 * @param means undefined where there is nothing to be gained
 * @param deadline by `performance.now()`: on a slow machine it is left at that
 */
export function practise(means: Means | undefined, deadline: number, then: () => void): void {
  if (means?.memory === undefined) {
    then();
    return;
  }
  let used: NodeJS.CpuUsage | undefined;
  const isSpent = (): boolean => {
    if (used === undefined && memoryUsage().heapUsed > heapLimit) return true;
    const { user, system } = cpuUsage((used ??= cpuUsage()));
    return user + system > 1_000 * budgetMs || performance.now() > deadline;
  };
  const own = new Set<unknown>();
  const steps = stepsOf(means, own);
  const turn = (): void => {
    const immediate = setImmediate(() => {
      let isOver = true;
      try {
        isOver = (isSpent() ? steps.return() : steps.next()).done === true;
      } catch {
        // What the try meets as well, or what the program has changed meanwhile.
      }
      own.delete(immediate);
      if (isOver) then();
      else turn();
    });
    own.add(immediate);
  };
  turn();
}

/** What is done in one turn each. */
function* stepsOf(means: Means, own: Set<unknown>): Generator<void, void> {
  const { memory, inspection, list } = means;
  try {
    if (memory?.hold() !== true) return;
    const graph = newGraph(means, memory, hostWorld(own, means), hiddenOf(means), new Spool());
    // The program's own code is not to be read with it.
    forgetNatives();
    yield;
    memory.readAgain();
    rootsOf(graph, list);
    for (;;) {
      yield;
      // What is young has been moved since.
      memory.readAgain();
      const end = performance.now() + turnMs;
      if (graph.visitAll(() => performance.now() < end)) return;
    }
  } finally {
    forgetNatives();
    memory?.release();
    inspection.forget();
  }
}
