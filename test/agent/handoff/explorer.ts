import { broken, moves, progress, restartSource, restartTarget } from './moves.ts';
import {
  checkCopies,
  feedSource,
  feedTarget,
  firstWorld,
  Violation,
  type Budget,
  type Move,
  type Rules,
  type World,
} from './world.ts';

export interface Exploration {
  readonly states: number;
  /** Longest shortest way to a state, in steps. */
  readonly depth: number;
  /** True when no state was left unvisited. */
  readonly isComplete: boolean;
  readonly violation: { readonly what: string; readonly trace: readonly string[] } | undefined;
}

interface Visited {
  readonly world: World;
  readonly from: Visited | undefined;
  readonly name: string;
  readonly depth: number;
}

/** Every world that can be reached, nearest first, each judged; and from each, what happens when all goes well from then on. */
export function explore(
  rules: Rules,
  options: {
    readonly lazy: boolean;
    readonly budget: Budget;
    /** Also judge that no message is ahead of its record; without, only what comes of it is judged. */
    readonly strict: boolean;
    readonly maxStates: number;
  },
): Exploration {
  const { strict, maxStates } = options;
  const healed = new Set<string>();
  const seen = new Set<string>();
  const first = firstWorld(options.lazy, options.budget);
  const queue: Visited[] = [{ world: first, from: undefined, name: 'start', depth: 0 }];
  seen.add(JSON.stringify(first));
  let depth = 0;
  for (let at = 0; at < queue.length; at += 1) {
    const here = queue[at];
    if (here === undefined) break;
    depth = here.depth;
    const result = (what: string, more: readonly string[]): Exploration => ({
      states: seen.size,
      depth,
      isComplete: false,
      violation: { what, trace: [...traceOf(here), ...more] },
    });
    const trail: string[] = [];
    try {
      checkCopies(here.world);
      heal(rules, here.world, healed, trail);
    } catch (error) {
      if (error instanceof Violation) return result(error.message, trail);
      throw error;
    }
    if (seen.size >= maxStates) continue;
    let next: Move[];
    try {
      next = moves(rules, here.world, strict);
    } catch (error) {
      if (error instanceof Violation) return result(error.message, []);
      throw error;
    }
    for (const { name, next: world } of next) {
      const key = JSON.stringify(world);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push({ world, from: here, name, depth: here.depth + 1 });
    }
  }
  return { states: seen.size, depth, isComplete: seen.size < maxStates, violation: undefined };
}

function traceOf(visited: Visited): string[] {
  const names: string[] = [];
  for (let at: Visited | undefined = visited; at !== undefined; at = at.from)
    names.unshift(at.name);
  return names;
}

/** No more faults: agents start, messages arrive, both sides meet. @throws {Violation} unless they agree in the end */
function heal(rules: Rules, start: World, healed: Set<string>, trail: string[]): void {
  let world = start;
  const passed: string[] = [];
  for (let steps = 0; steps < 200; steps += 1) {
    const key = JSON.stringify({ ...world, budget: null });
    if (healed.has(key)) break;
    passed.push(key);
    const next = mend(rules, world);
    if (next === undefined) {
      checkEnd(world);
      break;
    }
    trail.push(`then ${next.name}`);
    world = next.next;
    checkCopies(world);
    if (steps === 199) throw new Violation('no agreement is ever reached');
  }
  for (const key of passed) healed.add(key);
}

function mend(rules: Rules, world: World): Move | undefined {
  if (world.source.state.phase === 'down') return restartSource(rules, world);
  if (world.target.state.phase === 'down') return restartTarget(rules, world);
  const [going] = progress(rules, world, false);
  if (going !== undefined) return going;
  // Whoever is through with the stream closes it.
  const [cut] = world.isOpen ? broken(world) : [];
  if (cut !== undefined) return { name: 'the stream ends', next: cut };
  return meet(rules, world);
}

/** A client that reaches both sides, as client/doubts.ts does it. */
function meet(rules: Rules, world: World): Move | undefined {
  const asked = feedTarget(rules, world, { type: 'query' });
  if (asked.target.queue.length > 0) return { name: 'target is asked', next: asked };
  const there = rules.verdictOf(world.target.state);
  const settled = feedSource(rules, world, { type: 'settle', peer: there });
  if (changes(world, settled)) return { name: `source is told: ${there}`, next: settled };
  const here = rules.verdictOf(world.source.state);
  const told = feedTarget(rules, world, { type: 'settle', peer: here });
  if (changes(world, told)) return { name: `target is told: ${here}`, next: told };
  return undefined;
}

function changes(before: World, after: World): boolean {
  const of = ({ source, target }: World): string => JSON.stringify([source, target]);
  return of(before) !== of(after);
}

/** Nothing moves any more. @throws {Violation} unless both sides have one verdict, and exactly one copy runs */
function checkEnd({ source, target, excuse }: World): void {
  const runsHere = source.original === 'runs';
  const runsThere = target.copy === 'runs';
  const s = source.state;
  const t = target.state;
  const phases = `${s.phase} and ${t.phase}`;
  if (runsHere && runsThere && excuse.two === 'no')
    throw new Violation('two copies run in the end');
  if (!runsHere && !runsThere && target.copy !== 'ended' && !excuse.none) {
    throw new Violation(`no copy runs in the end (${phases})`);
  }
  const agreed =
    (s.phase === 'over' && (t.phase === 'over' || t.phase === 'superseded')) ||
    // What there was is lost with its device: a person decides whether the older state goes on.
    (s.phase === 'doubt' && s.peer === 'lost' && t.phase === 'lost') ||
    (s.phase === 'serving' && s.peer === 'lost' && t.phase === 'lost') ||
    // Pages are gone with their device: the target shows it.
    (s.phase === 'over' && t.phase === 'running' && t.stranded);
  if (!agreed) throw new Violation(`they do not agree in the end: ${phases}`);
  const words = [source.word, target.word].filter((each) => each !== null);
  if (s.phase === 'over' && t.phase === 'over' && words.length > 0) {
    throw new Violation(`words stay behind: ${words.join(', ')}`);
  }
}
