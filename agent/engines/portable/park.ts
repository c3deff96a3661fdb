import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cell, HeldJob } from '../../processes/cell.ts';

/** How often is looked for the gate, and for how long, in ms. */
const lookInterval = 2;
const gatePatience = 10_000;

/** What a program that stands still by itself waits for, and what says that it does (agent/keeper/README.md, "Park"). */
export interface Parking {
  /** FIFO that the keeper's program makes. */
  readonly gate: string;
  /** File that is there when the program stands still. */
  readonly mark: string;
}

/** Has the cell's keeper hold a program once it stands still. @throws {Error} when it ended before that */
export async function park(
  runner: Cell,
  kind: 'dump' | 'restore',
  inner: number,
  { gate, mark }: Parking,
): Promise<HeldJob> {
  return runner.runHeld({
    kind,
    argv: [await runner.holdScript(), 'park', String(inner), gate, mark],
    track: inner,
    lastPid: 0,
    sessionOnTerminal: false,
    passTerminal: false,
    output: '/dev/null',
  });
}

/** Waits until a program can stand still there; without that it would never be let go. */
export async function untilGate({ gate }: Parking): Promise<void> {
  const deadline = performance.now() + gatePatience;
  while ((await stat(gate).catch(() => undefined)) === undefined) {
    if (performance.now() > deadline) throw new Error('The keeper made no gate.');
    await delay(lookInterval);
  }
}
