import { constants } from 'node:os';
import { FlickError } from '../../protocol/index.ts';

const numbers: Readonly<Record<string, number>> = constants.signals;

/**
 * The number of a signal given as `TERM`, `SIGTERM` or `15`.
 * @throws {FlickError} `invalidRequest` when there is no such signal
 */
export function signalNumber(name: string): number {
  const upper = name.toUpperCase();
  const number = numbers[upper] ?? numbers[`SIG${upper}`] ?? Number(upper);
  if (!Number.isInteger(number) || number < 1 || number > 64) {
    throw new FlickError('invalidRequest', `There is no signal “${name}”.`, {
      remedy: 'Signals are named as kill -l lists them: TERM, INT, HUP, KILL, …',
    });
  }
  return number;
}

/** The name of a signal number: `SIGTERM`; `SIG40` for those without one. */
export function signalName(number: number): string {
  const found = Object.entries(numbers).find(([, value]) => value === number);
  return found?.[0] ?? `SIG${number}`;
}
