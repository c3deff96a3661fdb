import { open, rm, stat } from 'node:fs/promises';
import { constants } from 'node:fs';
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

/** Nothing comes of it: a program that stands still goes on, and one that has not yet come to that will not. */
export async function callOff({ gate }: Parking): Promise<void> {
  // Held open until it is out of reach: a program that opens it in between finds the byte.
  const file = await open(gate, constants.O_RDWR | constants.O_NONBLOCK).catch(() => undefined);
  await file?.write('g').catch(() => undefined);
  await rm(gate, { force: true });
  await file?.close();
}
