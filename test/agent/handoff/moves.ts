import type { Event, Message } from '../../../agent/handoff/machine.ts';
import {
  feedSource,
  feedTarget,
  performSource,
  performTarget,
  withSource,
  withTarget,
  type Budget,
  type InFlight,
  type Move,
  type Rules,
  type World,
} from './world.ts';

/** Everything that can happen next, faults included. @throws {Violation} */
export function moves(rules: Rules, world: World, strict: boolean): Move[] {
  return [
    ...progress(rules, world, strict),
    ...client(rules, world),
    ...meetAgain(rules, world),
    ...faults(rules, world),
  ];
}

const isUp = (state: { readonly phase: string }): boolean => state.phase !== 'down';

/** What goes on by itself when nothing goes wrong. */
export function progress(rules: Rules, world: World, strict: boolean): Move[] {
  const { source, target } = world;
  const found: Move[] = [];
  if (source.queue.length > 0) found.push(performSource(world, strict));
  else if (isUp(source.state)) found.push(...deliverToSource(rules, world));
  if (target.queue.length > 0) found.push(performTarget(world, strict));
  else if (isUp(target.state)) found.push(...deliverToTarget(rules, world));
  if (target.state.phase === 'building' && target.queue.length === 0) {
    const built = withTarget(world, { copy: 'held' });
    found.push({ name: 'the copy is made', next: feedTarget(rules, built, { type: 'restored' }) });
  }
  if (target.copy === 'resuming') {
    const runs = { ...withTarget(world, { copy: 'runs' }), ran: true };
    found.push({ name: 'the copy runs', next: hears(rules, runs, { type: 'resumed' }) });
  }
  const fetches =
    target.state.phase === 'running' && !target.state.complete && target.copy === 'runs';
  const pinned = source.state.phase === 'serving' && source.original === 'pinned';
  if (fetches && pinned && target.queue.length === 0 && source.queue.length === 0) {
    found.push({
      name: 'the last page arrives',
      next: feedTarget(rules, world, { type: 'pagesArrived' }),
    });
  }
  return found;
}

function deliverToSource(rules: Rules, world: World): Move[] {
  const [message, ...rest] = world.toSource;
  if (message === undefined) return [];
  const without = { ...world, toSource: rest };
  return [{ name: `source hears ${message}`, next: feedSource(rules, without, heard(message)) }];
}

function deliverToTarget(rules: Rules, world: World): Move[] {
  const [message, ...rest] = world.toTarget;
  if (message === undefined) return [];
  const without = { ...world, toTarget: rest };
  return [{ name: `target hears ${message}`, next: feedTarget(rules, without, heard(message)) }];
}

function heard(message: InFlight): Event {
  if (message === 'close') return { type: 'linkLost' };
  return { type: 'message', message: message as Message } as Event;
}

/** What an agent hears of its copy while it runs; otherwise it finds it out when it starts. */
function hears(rules: Rules, world: World, event: Event): World {
  return isUp(world.target.state) ? feedTarget(rules, world, event) : world;
}

/** Whoever reaches both devices brings them together again where memory is missing. */
function meetAgain(rules: Rules, world: World): Move[] {
  const { source, target } = world;
  const isParted = !world.isOpen && world.toSource.length === 0 && world.toTarget.length === 0;
  const lacks = target.state.phase === 'running' && !target.state.complete;
  if (!isParted || !lacks || source.state.phase !== 'serving') return [];
  if (source.queue.length > 0 || target.queue.length > 0) return [];
  const next = feedSource(rules, { ...world, isOpen: true }, { type: 'linked' });
  return [{ name: 'they are connected again', next }];
}

/** A client asks one side and tells the other, whenever and as often as it likes; a person decides. */
function client(rules: Rules, world: World): Move[] {
  const { source, target, told, budget } = world;
  const found: Move[] = [];
  const tell = (change: Partial<World['told']>): World => ({
    ...world,
    told: { ...told, ...change },
  });
  if (isUp(source.state) && source.queue.length === 0) {
    const verdict = rules.verdictOf(source.state);
    if (verdict !== told.source) {
      found.push({ name: `source is asked: ${verdict}`, next: tell({ source: verdict }) });
    }
    if (told.target !== null) {
      const next = feedSource(rules, world, { type: 'settle', peer: told.target });
      found.push({ name: `source is told: ${told.target}`, next });
    }
    if (budget.decisions > 0) {
      for (const choice of rules.choicesOf(source.state)) {
        const next = feedSource(rules, spent(world, 'decisions'), { type: 'decide', choice });
        found.push({
          name: `source: person says ${choice}`,
          next: excused(next, choice === 'runHere' ? 'claim' : 'no'),
        });
      }
    }
  }
  if (rules.mayTell('unknown', false) && told.target !== 'unknown') {
    found.push({ name: 'another device is asked: unknown', next: tell({ target: 'unknown' }) });
  }
  if (isUp(target.state) && target.queue.length === 0) {
    const asked = feedTarget(rules, world, { type: 'query' });
    const changed = asked.target.queue.length > 0 || asked.target.state !== target.state;
    if (changed) found.push({ name: 'target is asked', next: asked });
    else {
      const verdict = rules.verdictOf(target.state);
      if (verdict !== told.target) {
        found.push({ name: `target is asked: ${verdict}`, next: tell({ target: verdict }) });
      }
    }
    if (told.source !== null) {
      const next = feedTarget(rules, world, { type: 'settle', peer: told.source });
      found.push({ name: `target is told: ${told.source}`, next });
    }
    if (budget.decisions > 0) {
      for (const choice of rules.choicesOf(target.state)) {
        const next = feedTarget(rules, spent(world, 'decisions'), { type: 'decide', choice });
        found.push({
          name: `target: person says ${choice}`,
          next: excused(next, choice === 'runHere' ? 'person' : 'no'),
        });
      }
    }
  }
  return found;
}

/** A person was told what the choice risks. */
function excused(world: World, two: World['excuse']['two']): World {
  return { ...world, excuse: { none: true, two: two === 'no' ? world.excuse.two : two } };
}

function spent(world: World, what: keyof Budget): World {
  return { ...world, budget: { ...world.budget, [what]: world.budget[what] - 1 } };
}

function faults(rules: Rules, world: World): Move[] {
  const { source, target, budget } = world;
  const found: Move[] = [];
  if (world.isOpen) found.push(...broken(world).map((next) => ({ name: 'the link breaks', next })));
  if (budget.cancels > 0) {
    const cancelled = spent(world, 'cancels');
    if (isUp(source.state)) {
      const next = feedSource(rules, cancelled, { type: 'cancel' });
      found.push({ name: 'the source is told to cancel', next });
    }
    if (isUp(target.state)) {
      const next = feedTarget(rules, cancelled, { type: 'cancel' });
      found.push({ name: 'the target is told to cancel', next });
    }
  }
  if (target.state.phase === 'building' && target.queue.length === 0) {
    const next = feedTarget(rules, world, { type: 'failed', before: target.state });
    found.push({ name: 'the copy cannot be made', next });
  }
  if (target.copy === 'resuming' && budget.restoreFails > 0) {
    const dead = withTarget(spent(world, 'restoreFails'), { copy: 'dead' });
    const next = hears(rules, dead, { type: 'resumeFailed' });
    found.push({ name: 'the copy fails when it is let run', next });
  }
  if (target.copy === 'runs') {
    const ended = { ...withTarget(world, { copy: 'ended' }) };
    const next = hears(rules, ended, { type: 'pagesArrived' });
    found.push({ name: 'the process ends by itself', next });
  }
  if (budget.effectFails > 0) {
    found.push(...failing(rules, world, 'source'), ...failing(rules, world, 'target'));
  }
  if (isUp(source.state)) {
    if (budget.crashSource > 0) {
      for (const next of sourceDies(spent(world, 'crashSource'), false)) {
        found.push({ name: 'the source’s agent dies', next });
      }
    }
    if (budget.cutSource > 0) {
      for (const next of sourceDies(spent(world, 'cutSource'), true)) {
        found.push({ name: 'the source loses its power', next });
      }
    }
  } else found.push(restartSource(rules, world));
  if (isUp(target.state)) {
    if (budget.crashTarget > 0) {
      for (const next of targetDies(spent(world, 'crashTarget'), false)) {
        found.push({ name: 'the target’s agent dies', next });
      }
    }
    if (budget.cutTarget > 0) {
      for (const next of targetDies(spent(world, 'cutTarget'), true)) {
        found.push({ name: 'the target loses its power', next });
      }
    }
  } else found.push(restartTarget(rules, world));
  return found;
}

/** A record or a pin that fails, with the record on the disk or not. */
function failing(rules: Rules, world: World, side: 'source' | 'target'): Move[] {
  const [head] = world[side].queue;
  if (head === undefined || !['pin', 'write'].includes(head.effect.do)) return [];
  const { effect, before } = head;
  const left = spent(world, 'effectFails');
  const found: Move[] = [];
  for (const reached of effect.do === 'write' ? [false, true] : [false]) {
    const name = `${side}: ${effect.do} fails${reached ? ', though it is on the disk' : ''}`;
    const event = { type: 'failed', effect: effect.do, before } as Event;
    if (side === 'source') {
      const base = withSource(left, { queue: [] });
      const kept = reached ? performSource(left, false).next.source.word : base.source.word;
      found.push({ name, next: feedSource(rules, withSource(base, { word: kept }), event) });
    } else {
      const base = withTarget(left, { queue: [] });
      const kept = reached ? performTarget(left, false).next.target.word : base.target.word;
      found.push({ name, next: feedTarget(rules, withTarget(base, { word: kept }), event) });
    }
  }
  return found;
}

/** One stream keeps its order; when it breaks, each direction loses what was behind some point. */
export function broken(world: World): World[] {
  if (!world.isOpen) return [world];
  const found: World[] = [];
  for (let a = 0; a <= world.toSource.length; a += 1) {
    for (let b = 0; b <= world.toTarget.length; b += 1) {
      found.push({
        ...world,
        isOpen: false,
        toSource: [...world.toSource.slice(0, a), 'close'],
        toTarget: [...world.toTarget.slice(0, b), 'close'],
      });
    }
  }
  return found;
}

function sourceDies(world: World, power: boolean): World[] {
  return broken(world).map((cut) => {
    const { original, cut: before } = cut.source;
    const freed = original === 'held' ? 'runs' : original;
    const next = withSource(cut, {
      state: { role: 'source', phase: 'down' },
      queue: [],
      original: power ? 'dead' : freed,
      cut: before || power,
    });
    // The target is the owner once it has durably said so, and nobody else then.
    const { word, kept } = world.target;
    const owned = power && word !== 'running' && !(word === null && kept);
    return { ...next, toSource: [], excuse: { ...next.excuse, none: next.excuse.none || owned } };
  });
}

function targetDies(world: World, power: boolean): World[] {
  return broken(world).map((cut) => {
    const { copy, state, word, kept, cut: before } = cut.target;
    const none = copy === 'none' || copy === 'ended';
    const freed = copy === 'held' ? 'dead' : copy;
    const next = withTarget(cut, {
      state: { role: 'target', lazy: state.lazy, phase: 'down' },
      queue: [],
      copy: power && !none ? 'dead' : freed,
      cut: before || power,
    });
    const owned = power && (word === null ? kept : word !== 'accepted' && word !== 'aborted');
    return { ...next, toTarget: [], excuse: { ...next.excuse, none: next.excuse.none || owned } };
  });
}

export function restartSource(rules: Rules, world: World): Move {
  const { word, original, left } = world.source;
  const found = { pinned: 'held', held: 'held', runs: 'runs', dead: 'gone' } as const;
  const survivor = left ? 'left' : found[original];
  const event = { type: 'restart', word: word ?? undefined, original: survivor } as Event;
  return { name: 'the source’s agent starts', next: feedSource(rules, world, event) };
}

export function restartTarget(rules: Rules, world: World): Move {
  const { word, copy, kept } = world.target;
  const found = {
    none: 'gone',
    dead: 'gone',
    held: 'held',
    pinned: 'held',
    resuming: 'resuming',
    runs: 'runs',
    stopped: 'runs',
    ended: 'ended',
  } as const;
  const event = { type: 'restart', word: word ?? undefined, copy: found[copy], kept } as Event;
  return { name: 'the target’s agent starts', next: feedTarget(rules, world, event) };
}
