import { seededRandom } from '../support/seed.ts';
import { perform, type Showing } from './performance.ts';
import { move, type Attempt, type Outcome, type Turn } from './moving.ts';
import type { CorpusProgram } from './catalogue.ts';
import type { NodeName, Route } from './nodes.ts';

/** All attempts to move one program. */
export interface Record {
  readonly program: CorpusProgram;
  readonly attempts: readonly { readonly attempt: Attempt; readonly outcome: Outcome }[];
}

/** Runs that nobody disturbs, each made once. */
export class References {
  readonly #made = new Map<string, Promise<Showing>>();

  of(program: CorpusProgram, node: NodeName): Promise<Showing> {
    const key = `${program.name} ${node}`;
    const made = this.#made.get(key) ?? perform(program, node);
    this.#made.set(key, made);
    return made;
  }
}

/**
 * Moves one program at `count` turns on a route; what they are follows from the seed alone.
 * An attempt that came too late is made again at an earlier turn.
 * @param until the part of its lines by which it is moved for the first time, and all following times
 */
export async function moveAtTurns(
  program: CorpusProgram,
  references: References,
  route: Route,
  count: number,
  until = 0.7,
): Promise<Record['attempts']> {
  const reference = await references.of(program, route[0]);
  const random = seededRandom(`${program.name} ${route.join('-')}`);
  const attempts: { attempt: Attempt; outcome: Outcome }[] = [];
  for (let number = 0; number < count; number += 1) {
    let span = reference.output.split('\n').length - 1;
    for (;;) {
      span = Math.max(1, Math.floor(span * until));
      const attempt = { route, turns: drawTurns(random, span, route.length - 1) };
      const outcome = await move(program, reference, attempt);
      if (outcome.kind === 'over' && span > 1) continue;
      attempts.push({ attempt, outcome });
      break;
    }
  }
  return attempts;
}

/** Turns in ascending order, none beyond line `span`. */
function drawTurns(random: () => number, span: number, hops: number): Turn[] {
  const lines = Array.from({ length: hops }, () => 1 + Math.floor(random() * span));
  return lines
    .sort((one, other) => one - other)
    .map((line) => ({ line, delayMs: Math.floor(random() * 12) }));
}
